"""Pictures and captions from where they lie -> data/collected/: files as they came, a record each, a verdict
on all; masks, where there are any, in data/collected/masks/.

In: the sources that collect.source and collect.class_source name, data/waivers.yaml. Out: data/collected/
{pictures/,records.jsonl,left_out.jsonl}, metrics/collect.json, plots/collect/. Reads the group `collect`.
Deterministic: sorted by id, bytes copied. A picture that is unfit stops the stage, with the full list. Kept
by picture: one new picture costs one measurement.
"""

import shutil
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.command import run, start
from pipeline.config.load import DVC_YAML, in_graph
from pipeline.config.schemas import Collect
from pipeline.config.schemas.collect import CHECKS
from pipeline.errors import UserError, warn
from pipeline.files.atomic import new_folder, write_csv, write_json, write_jsonl
from pipeline.items import Items
from pipeline.parallel import in_order
from pipeline.pictures import advice, gate, waivers
from pipeline.pictures.folders import Findings, Found
from pipeline.pictures.masks import MASKS
from pipeline.pictures.measures import Measures, measure
from pipeline.pictures.reading import PictureError
from pipeline.pictures.records import PICTURES, Record, write_records
from pipeline.pictures.sources import find, paths, work_folder
from pipeline.pictures.verdicts import Fault
from pipeline.progress import progress


def measured(pictures: Sequence[Found], config: Collect) -> list[Measures | Fault]:
    """The measures of each picture, or why it cannot be read."""
    items = Items("collect")
    with_faces = any(config.checks[check] != "off" for check in ("no_face", "several_faces"))

    def one(found: Found) -> Measures | Fault:
        try:
            return measure(found.path, with_faces, items)
        except PictureError as error:
            return Fault(error.check, found.where, f"{error}; replace or delete it", found.id)

    return list(progress(in_order(one, pictures), "collect", len(pictures)))


def judged(findings: Findings, config: Collect) -> gate.Outcome:
    """All pictures, ruled on; whatever must stop the stage is one user error that lists it all."""
    listed, wrong_lines = waivers.read_waivers(waivers.PATH, CHECKS)
    waived, unknown = waivers.by_picture(listed, [found.id for found in findings.pictures])
    outcome = gate.judge(
        findings.pictures, measured(findings.pictures, config), findings.faults, config, waived
    )
    problems = [*findings.problems, *wrong_lines, *unknown, *outcome.errors]
    if outcome.errors:
        problems.append(
            f"to accept a fault, waive it in {waivers.PATH} (`id: {{check: reason}}`; id and check stand in"
            " brackets); to leave such pictures out, set collect.checks.<check>: drop"
        )
    if not (problems or outcome.passed):
        problems.append("no picture is left: all were dropped; see the levels in collect.checks")
    if problems:
        raise UserError(*problems)
    faults = {(ruling.fault.id, ruling.fault.check) for ruling in outcome.rulings}
    for sentence in [*gate.warnings_of(outcome.rulings), *waivers.unneeded(listed, faults)]:
        warn(sentence)
    return outcome


def concepts_of(records: Sequence[Record]) -> list[advice.Concept]:
    pictures = Counter(record.concept for record in records)
    exposures: Counter[str] = Counter()
    for record in records:
        exposures[record.concept] += record.repeats
    return [advice.Concept(name, pictures[name], exposures[name]) for name in sorted(pictures)]


def advised(records: Sequence[Record], aim: str | None) -> list[str]:
    """How the set differs from what practitioners advise."""
    subject = concepts_of([record for record in records if not record.is_class])
    shown = [sum(record.repeats for record in records if record.is_class is flag) for flag in (False, True)]
    return [
        *advice.counts_advice(subject, aim),
        *advice.repeats_advice(subject, aim),
        *advice.class_advice(*shown),
    ]


def summary(outcome: gate.Outcome, aim: str | None) -> dict[str, Any]:
    """Counts for metrics/collect.json."""
    records = [record for _, record in outcome.passed]
    subject = [record for record in records if not record.is_class]
    return {
        "pictures": len(subject),
        "class_pictures": len(records) - len(subject),
        "captions": sum(record.caption is not None for record in records),
        "concepts": dict(Counter(record.concept for record in records)),
        "exposures": sum(record.repeats for record in subject),
        "proposed_repeats": advice.proposed_repeats(concepts_of(subject), aim),
        "groups": len({record.group for record in records}),
        **gate.counts(outcome),
    }


def copy(folder: Path, found: Found, record: Record) -> None:
    """The picture, and its mask if there is one, as they came."""
    shutil.copyfile(found.path, folder / PICTURES / record.file)
    if found.mask and record.mask_file:
        shutil.copyfile(found.mask, folder / MASKS / record.mask_file)


def write(out: Path, outcome: gate.Outcome, aim: str | None) -> None:
    records = [record for _, record in outcome.passed]
    with new_folder(out / "data/collected") as folder:
        for parent in {(folder / PICTURES / record.file).parent for record in records}:
            parent.mkdir(parents=True)
        for parent in {(folder / MASKS / record.mask_file).parent for record in records if record.mask_file}:
            parent.mkdir(parents=True)
        deque(in_order(lambda pair: copy(folder, *pair), outcome.passed), maxlen=0)
        write_records(folder, records)
        write_jsonl(folder / "left_out.jsonl", outcome.left_out)
    counts = summary(outcome, aim)
    write_json(out / "metrics/collect.json", counts)
    sizes = ((record.id, record.width_px, record.height_px) for record in records)
    write_csv(out / "plots/collect/sizes.csv", ("id", "width_px", "height_px"), sizes)
    verdicts = sorted({**counts["verdicts"], **counts["checks"]}.items())
    write_csv(out / "plots/collect/verdicts.csv", ("verdict", "pictures"), verdicts)


def collect(config: Collect, out: Path) -> None:
    """The stage below `out`."""
    with work_folder(out / "data/.sources.part") as work:
        outcome = judged(find(config, work), config)
        for sentence in advised([record for _, record in outcome.passed], config.aim):
            warn(sentence)
        write(out, outcome, config.aim)


def untracked(config: Collect) -> list[str]:
    """Sources that the graph does not watch: DVC would not notice a change in them."""
    deps = in_graph("collect")["deps"]
    return [
        f"{source} is not among the deps of collect in {DVC_YAML}: `dvc repro` will not notice"
        " changes in it; move it below pictures/, or add it there"
        for source in [*paths(config.source), *paths(config.class_source)]
        if not any(Path(source).is_relative_to(dep) for dep in deps)
    ]


def main(arguments: Sequence[str] = ()) -> None:
    job = start("collect", arguments)
    if not job.options.out:
        for sentence in untracked(job.config.collect):
            warn(sentence)
    collect(job.config.collect, job.out)


if __name__ == "__main__":
    run(main)
