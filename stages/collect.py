"""Source pictures and captions -> data/collected/: unchanged files with a record and a verdict each; masks,
if any, in data/collected/masks/.

In: collect.source and collect.class_source, data/waivers.yaml, data/left_out.yaml. Out: data/collected/
{pictures/,records.jsonl,left_out.jsonl}, metrics/collect.json, plots/collect/. Reads the group `collect`.
Deterministic: sorted by id, bytes copied. Unfit pictures stop the stage with the full list. Kept by picture:
a new picture costs one measurement.

By hand, without these outputs: `--records FILE` writes only the records, for a plan.
"""

import argparse
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from pipeline.command import run, start
from pipeline.config.graph_file import DVC_YAML, stage_entries
from pipeline.errors import UserError, warn
from pipeline.files.atomic import new_folder, write_csv, write_json, write_jsonl
from pipeline.files.outputs import claim, insist_apart
from pipeline.parallel import in_order
from pipeline.pictures import advice, gate
from pipeline.pictures.folders import Findings
from pipeline.pictures.found import PictureScan, SourcePicture
from pipeline.pictures.gate_file import write_gate
from pipeline.pictures.left_out import LEFT_OUT_BY_HAND, LeftOut, read_left_out
from pipeline.pictures.masks import MASK_FOLDER, MaskMeasures, measure_mask
from pipeline.pictures.measures import SlowMeasures, measure
from pipeline.pictures.reading import PictureError
from pipeline.pictures.records import PICTURE_FOLDER, Record, Records, row_of, write_records
from pipeline.pictures.sources import find, paths, work_folder
from pipeline.pictures.text_finding import texts_in
from pipeline.pictures.verdicts import Fault, Rulings
from pipeline.pictures.waivers import WAIVERS, Waivers, read_waivers
from pipeline.progress import progress
from pipeline.schemas import CollectConfig
from pipeline.schemas.collect import CHECKS, Check
from pipeline.store.items import Items


def contents(pictures: PictureScan, config: CollectConfig) -> Iterator[gate.FileContent]:
    """The measures of each picture and its mask, or why they cannot be read."""
    items = Items("collect")
    texts_kept = Items("texts")
    asked = asked_for(config)
    with_texts = reads_texts(config)

    def one(picture: SourcePicture) -> gate.FileContent:
        try:
            measures = measure(picture.path, asked, items)
            if with_texts:
                texts = texts_in(picture.path, measures.sha256, texts_kept)
                measures = replace(measures, texts=texts)
        except PictureError as error:
            return gate.FileContent(
                Fault(error.check, picture.where, f"{error}; replace or delete it", picture.id)
            )
        return gate.FileContent(measures, mask_of(picture, items))

    yield from progress(in_order(one, pictures), "collect", len(pictures))


def asked_for(config: CollectConfig) -> SlowMeasures:
    """The measures that take time and that a check needs."""
    detector = (config.face_model, config.face_model_sha256, config.face_min_score)
    return SlowMeasures(
        faces=detector if is_on(config, "no_face", "several_faces") else None,
        damage_under_px=2 * config.min_side_px if is_on(config, "jpeg_damage", "upscaled") else 0,
    )


def reads_texts(config: CollectConfig) -> bool:
    """Whether a check asks the text detector that reads."""
    return config.text_detector == "ocr" and is_on(config, "watermark", "text")


def is_on(config: CollectConfig, *checks: Check) -> bool:
    return any(config.checks[check] != "off" for check in checks)


def mask_of(picture: SourcePicture, items: Items) -> MaskMeasures | Fault | None:
    if picture.mask is None:
        return None
    try:
        return measure_mask(picture.mask, items)
    except PictureError as error:
        sentence = f"its mask {picture.mask.name}: {error}; replace it"
        return Fault("mask_unreadable", picture.where, sentence, picture.id)


def validated(findings: Findings, config: CollectConfig, leaves_gate: bool = False) -> gate.Outcome:
    """Verdicts on all pictures; one user error lists everything that must stop the stage. `leaves_gate`: the
    workbench may show them.
    """
    lines, wrong_lines = read_waivers(WAIVERS, CHECKS)
    reasons, wrong_reasons = read_left_out(LEFT_OUT_BY_HAND)
    waivers, pictures = Waivers(lines, findings.pictures), findings.pictures
    left_out, rulings = LeftOut(reasons, pictures.ids()), Rulings(config.checks, waivers.reason)
    outcome = gate.validate(pictures, contents(pictures, config), findings.faults, config, rulings, left_out)
    unknown = [*waivers.unknown(), *left_out.unknown(pictures.ids())]
    problems = [*findings.problems, *wrong_lines, *wrong_reasons, *unknown, *what_stops(outcome)]
    if leaves_gate:
        write_gate(outcome, waivers, problems)
    if not (problems or outcome.is_fit.any()):
        by = Counter(ruling.fault.check for ruling in outcome.dropped)
        checks = ", ".join(f"{check} {number}" for check, number in sorted(by.items()))
        problems.append(
            f"no picture is left: all were dropped ({checks}); change the levels in collect.checks, or"
            f" delete lines of {LEFT_OUT_BY_HAND}"
        )
    for sentence in [
        *gate.warnings_of(outcome.rulings),
        *waivers.unneeded(),
        *findings.names.warnings(config.repeats),
    ]:
        warn(sentence)
    if problems:
        raise UserError(*problems)
    return outcome


def what_stops(outcome: gate.Outcome) -> list[str]:
    """The faults that stop the stage, and what can be done about them."""
    errors = outcome.errors
    return errors and [
        *errors,
        f"to accept a fault, waive it in {WAIVERS} (`id: {{check: reason}}`; the brackets give id and"
        f" check); to leave a picture out, name it in {LEFT_OUT_BY_HAND} (`id: reason`), or all such pictures"
        " by collect.checks.<check>: drop; `python -m pipeline.workbench` shows them all",
    ]


class CollectTally:
    """Counts over the records, of the subject and of the class."""

    def __init__(self) -> None:
        self.pictures = {is_class: Counter[str]() for is_class in (False, True)}
        self.exposures = {is_class: Counter[str]() for is_class in (False, True)}
        self.captions = 0

    def counted(self, records: Iterable[Record]) -> Iterator[Record]:
        for record in records:
            self.pictures[record.is_class][record.concept] += 1
            self.exposures[record.is_class][record.concept] += record.repeats
            self.captions += record.caption is not None
            yield record

    def concepts(self) -> list[advice.Concept]:
        """Concepts of the subject."""
        pictures, exposures = self.pictures[False], self.exposures[False]
        return [advice.Concept(name, pictures[name], exposures[name]) for name in sorted(pictures)]

    def advised(self, aim: str | None) -> list[str]:
        """How the set differs from usual ones."""
        return [
            *advice.counts_advice(self.concepts(), aim),
            *advice.repeats_advice(self.concepts(), aim),
            *advice.class_advice(self.exposures[False].total(), self.exposures[True].total()),
        ]

    def summary(self, aim: str | None) -> dict[str, Any]:
        """For metrics/collect.json."""
        return {
            "pictures": self.pictures[False].total(),
            "class_pictures": self.pictures[True].total(),
            "captions": self.captions,
            "concepts": dict(self.pictures[False] + self.pictures[True]),
            "exposures": self.exposures[False].total(),
            "proposed_repeats": advice.proposed_repeats(self.concepts(), aim),
        }


def copied(folder: Path, outcome: gate.Outcome) -> Iterator[Record]:
    """Copies the pictures and their masks unchanged."""
    make = cache(partial(Path.mkdir, parents=True, exist_ok=True))

    def copy(pair: tuple[SourcePicture, Record]) -> Record:
        picture, record = pair
        copies = [(picture.path, folder / PICTURE_FOLDER / record.file)]
        if picture.mask and record.mask_file:
            copies.append((picture.mask, folder / MASK_FOLDER / record.mask_file))
        for source, target in copies:
            make(target.parent)
            shutil.copyfile(source, target)
        return record

    return in_order(copy, outcome.passed())


def write(out: Path, outcome: gate.Outcome, aim: str | None, caption_lines: dict[str, int]) -> CollectTally:
    tally = CollectTally()
    with new_folder(out / "data/collected") as folder:
        write_records(folder, tally.counted(copied(folder, outcome)))
        write_jsonl(folder / "left_out.jsonl", outcome.left_out)
    counts = {**tally.summary(aim), "groups": outcome.num_groups, **gate.counts(outcome)}
    lines = {"caption_lines": caption_lines} if caption_lines else {}
    write_json(out / "metrics/collect.json", counts | lines)
    records = Records(out / "data/collected")
    sizes = ((record.id, record.width_px, record.height_px) for record in records)
    write_csv(out / "plots/collect/sizes.csv", ("id", "width_px", "height_px"), sizes)
    verdicts = sorted({**counts["verdicts"], **counts["checks"]}.items())
    write_csv(out / "plots/collect/verdicts.csv", ("verdict", "pictures"), verdicts)
    return tally


def collect(config: CollectConfig, out: Path, leaves_gate: bool = False) -> None:
    """Runs the stage, with outputs below `out`."""
    with work_folder(out / "data/.sources.part") as work:
        findings = find(config, work)
        outcome = validated(findings, config, leaves_gate)
        tally = write(out, outcome, config.aim, dict(findings.captions.forms))
    for sentence in findings.captions.notes():
        print(sentence, file=sys.stderr)
    for sentence in tally.advised(config.aim):
        warn(sentence)


def all_paths(config: CollectConfig) -> list[str]:
    """Paths of both kinds of sources."""
    return [*paths(config.source), *paths(config.class_source)]


def untracked(config: CollectConfig) -> list[str]:
    """Sources that the graph does not watch: DVC would not notice a change in them."""
    deps = stage_entries()["collect"].deps
    return [
        f"{source} is not among the deps of collect in {DVC_YAML}: `dvc repro` will not notice"
        " changes in it; move it below pictures/, or add it there"
        for source in all_paths(config)
        if not any(Path(source).is_relative_to(dep) for dep in deps)
    ]


def write_records_alone(config: CollectConfig, file: Path, leaves_gate: bool = False) -> None:
    """Writes the records of the pictures that pass."""
    claim(file, map(Path, all_paths(config)), "--records")
    with work_folder(file.with_name(f".{file.name}.sources")) as work:
        passed = validated(find(config, work), config, leaves_gate).passed()
        write_jsonl(file, (row_of(record) for _, record in passed))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m stages.collect")
    made.add_argument("--records", type=Path, metavar="FILE", help="write only the records of fit pictures")
    return made


def main(arguments: Sequence[str] = ()) -> None:
    job = start("collect", arguments, parser(), by_hand=("records",))
    if job.options.records:
        write_records_alone(job.config.collect, job.options.records, not job.options.overrides)
        return
    if not job.options.out:
        for sentence in untracked(job.config.collect):
            warn(sentence)
    else:
        insist_apart(job.out, map(Path, all_paths(job.config.collect)))
    collect(job.config.collect, job.out, leaves_gate=not job.options.out)


if __name__ == "__main__":
    run(main)
