"""The gate between the user's files and the pipeline: all faults of all pictures, ruled on, then the records
of those that pass.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pipeline.config.schemas import Collect
from pipeline.files.hashing import sha256_of_file
from pipeline.pictures.folders import Found
from pipeline.pictures.hygiene import duplicates, near_duplicates, picture_faults, same_stem
from pipeline.pictures.masks import mask_fault
from pipeline.pictures.measures import Measures
from pipeline.pictures.records import Record
from pipeline.pictures.verdicts import Fault, Ruling, gravest, rule

Content = TypeVar("Content")
Waived = Mapping[tuple[str | None, str], str]
SHOWN = 5
"""So many pictures are named in a warning; all stand in the records."""


@dataclass(frozen=True)
class Outcome:
    """What passes, file by file, and every ruling. There are records even where `errors` must stop the
    stage.
    """

    passed: list[tuple[Found, Record]]
    rulings: list[Ruling]

    @property
    def errors(self) -> list[str]:
        """All faults that stop the stage."""
        return [str(ruling.fault) for ruling in self.rulings if ruling.verdict == "error"]

    @property
    def dropped(self) -> list[Ruling]:
        return [ruling for ruling in self.rulings if ruling.verdict == "dropped"]

    @property
    def left_out(self) -> list[dict[str, str | None]]:
        """Rows of what is dropped, and why: `name` is a file's name or a URL, `id` null for what never became
        a picture.
        """
        return [
            {
                "id": ruling.fault.id,
                "name": ruling.fault.name,
                "check": ruling.fault.check,
                "sentence": ruling.fault.sentence,
            }
            for ruling in self.dropped
        ]


def judge(
    found: Sequence[Found],
    measured: Sequence[Measures | Fault],
    source_faults: Sequence[Fault],
    config: Collect,
    waived: Waived,
) -> Outcome:
    """Rules on each picture alone, then on names, copies and likenesses among what is left: a picture that
    is dropped takes no other with it.
    """
    faults = list(source_faults)
    for item, content in zip(found, measured, strict=True):
        faults += [content] if isinstance(content, Fault) else picture_faults(item, content, config)
        if item.mask and isinstance(content, Measures):
            size = (content.width_px, content.height_px)
            faults += filter(None, [mask_fault(item.mask, item.where, item.id, size)])
    bad_masks = {fault.where for fault in faults if fault.check.startswith("mask_")}
    rulings = rule(faults, config.checks, waived)
    left = _left(list(zip(found, measured, strict=True)), rulings)
    rulings += rule(same_stem([item for item, _ in left]), config.checks, waived)
    whole = [(item, content) for item, content in _left(left, rulings) if not isinstance(content, Fault)]
    rulings += rule(duplicates(whole), config.checks, waived)
    whole = _left(whole, rulings)
    near, first = near_duplicates(whole, config.near_duplicate_bits)
    rulings += rule(near, config.checks, waived)
    rulings.sort(key=lambda ruling: (ruling.fault.where, ruling.fault.check))
    of_picture: dict[str, list[Ruling]] = {}
    for ruling in rulings:
        of_picture.setdefault(ruling.fault.where, []).append(ruling)
    passed = [
        (
            item,
            _record(
                item,
                content,
                whole[first[index]][0].id,
                of_picture.get(item.where, []),
                use_mask=item.where not in bad_masks,
            ),
        )
        for index, (item, content) in enumerate(whole)
        if gravest(of_picture.get(item.where, [])) not in ("dropped", "error")
    ]
    return Outcome(passed, rulings)


def _left(pictures: list[tuple[Found, Content]], rulings: Sequence[Ruling]) -> list[tuple[Found, Content]]:
    """The pictures that are not dropped."""
    gone = {ruling.fault.where for ruling in rulings if ruling.verdict == "dropped"}
    return [(item, content) for item, content in pictures if item.where not in gone]


def _record(
    found: Found, measures: Measures, group: str, rulings: Sequence[Ruling], use_mask: bool
) -> Record:
    return Record(
        id=found.id,
        file=found.file,
        sha256=measures.sha256,
        width_px=measures.width_px,
        height_px=measures.height_px,
        concept=found.concept,
        repeats=found.repeats,
        is_class=found.is_class,
        caption=found.caption or None,
        verdict=gravest(rulings),
        notes=[ruling.note for ruling in rulings],
        group=group,
        origin=found.origin,
        **_mask(found, use_mask),
    )


def _mask(found: Found, use_mask: bool) -> dict[str, str]:
    """The record's keys of a mask."""
    if found.mask is None or not use_mask:
        return {}
    return {
        "mask_file": f"{found.id}{found.mask.suffix}",
        "mask_sha256": sha256_of_file(found.mask),
    }


def warnings_of(rulings: Sequence[Ruling]) -> list[str]:
    """One line a check and verdict, with the first pictures' names and one of the sentences."""
    lines: dict[tuple[str, str], list[Ruling]] = {}
    for ruling in rulings:
        if ruling.verdict in ("warn", "dropped"):
            lines.setdefault((ruling.verdict, ruling.fault.check), []).append(ruling)
    return [_line(verdict, check, several) for (verdict, check), several in sorted(lines.items())]


def _line(verdict: str, check: str, rulings: Sequence[Ruling]) -> str:
    left_out = ", left out" if verdict == "dropped" else ""
    if len(rulings) == 1:
        return f"{check}{left_out}: {rulings[0].fault.where}: {rulings[0].fault.sentence}"
    names = ", ".join(ruling.fault.id or ruling.fault.where for ruling in rulings[:SHOWN])
    more = f" and {len(rulings) - SHOWN} more" if len(rulings) > SHOWN else ""
    return f"{check}{left_out}: {len(rulings)} pictures ({names}{more}); {rulings[0].fault.sentence}"


def counts(outcome: Outcome) -> dict[str, dict[str, int]]:
    """Pictures by verdict, and faults by check."""
    verdicts = Counter(record.verdict for _, record in outcome.passed)
    verdicts["dropped"] = len({ruling.fault.where for ruling in outcome.dropped})
    checks = Counter(ruling.fault.check for ruling in outcome.rulings)
    return {"verdicts": dict(verdicts), "checks": dict(checks)}
