"""Validates the user's pictures: decides on all faults, then makes the records of those that pass. Pictures
and rulings are on disk; traits.py describes what stays in memory.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.pictures.found import PictureScan, SourcePicture
from pipeline.pictures.hygiene import picture_faults
from pipeline.pictures.left_out import BY_HAND_CHECK, LeftOut
from pipeline.pictures.masks import MaskMeasures, mask_fault
from pipeline.pictures.measures import PictureMeasures
from pipeline.pictures.records import Record
from pipeline.pictures.traits import NO_HASH, Pairs, PictureTraits, equals, hash_of, likenesses, name_hash
from pipeline.pictures.verdicts import SEVERITY, Fault, Ruling, Rulings, most_severe
from pipeline.schemas import CollectConfig

MOST_PICTURES_SHOWN = 5
"""A warning names this many pictures; the records have all."""
LEAST_FIT = SEVERITY.index("warn")


@dataclass(frozen=True)
class FileContent:
    """The measures of a picture's file and its mask, or why they cannot be read."""

    picture: PictureMeasures | Fault
    mask: MaskMeasures | Fault | None = None


class Outcome:
    """The pictures that pass, and every ruling. Records exist even if `errors` must stop the stage."""

    def __init__(self, pictures: PictureScan, config: CollectConfig, rulings: Rulings) -> None:
        self.pictures, self.config, self.rulings = pictures, config, rulings
        self.traits = PictureTraits(len(pictures))
        self.traits.severity[:] = SEVERITY.index("ok")
        self.groups: dict[int, int] = {}
        """The first of the group, for every other picture in it."""

    @property
    def errors(self) -> list[str]:
        """All faults that stop the stage."""
        return [str(ruling.fault) for ruling in self.rulings if ruling.verdict == "error"]

    @property
    def dropped(self) -> Iterator[Ruling]:
        return (ruling for ruling in self.rulings if ruling.verdict == "dropped")

    @property
    def left_out(self) -> Iterator[dict[str, str | None]]:
        """Rows of what is dropped, and why: `name` is a file name or a URL, `id` is null if it never became
        a picture.
        """
        for ruling in self.dropped:
            fault = ruling.fault
            yield {"id": fault.id, "name": fault.name, "check": fault.check, "sentence": fault.sentence}

    @property
    def is_fit(self) -> NDArray[np.bool_]:
        """Which pictures pass."""
        return self.traits.is_read & (self.traits.severity >= LEAST_FIT)

    @property
    def num_groups(self) -> int:
        """Number of groups among the pictures that pass."""
        first = np.arange(len(self.traits.phash))
        first[list(self.groups)] = list(self.groups.values())
        return int(np.count_nonzero(np.bincount(first[self.is_fit])))

    def passed(self) -> Iterator[tuple[SourcePicture, Record]]:
        """The pictures that pass and their records, by id."""
        firsts, ids = set(self.groups.values()), dict[int, str]()
        for number, (picture, is_fit) in enumerate(zip(self.pictures, self.is_fit, strict=True)):
            if number in firsts:
                ids[number] = picture.id
            if is_fit:
                group = ids[self.groups[number]] if number in self.groups else picture.id
                yield picture, self._record(number, picture, group)

    def _record(self, number: int, picture: SourcePicture, group: str) -> Record:
        traits = self.traits
        has_notes = traits.severity[number] != SEVERITY.index("ok")
        rulings = self.rulings.of(picture.where, number) if has_notes else []
        return Record(
            id=picture.id,
            file=picture.file,
            sha256=traits.sha256[number].tobytes().hex(),
            width_px=int(traits.width_px[number]),
            height_px=int(traits.height_px[number]),
            concept=picture.concept,
            repeats=picture.repeats,
            is_class=picture.is_class,
            caption=picture.caption or None,
            verdict=most_severe(rulings),
            notes=[ruling.note for ruling in rulings],
            group=group,
            origin=picture.origin,
            **_mask(picture, traits.mask_sha256[number]),
        )

    def rule(self, number: int, fault: Fault) -> None:
        """Records a fault of a picture and its verdict."""
        verdict, traits = self.rulings.add(fault, number), self.traits
        traits.severity[number] = min(traits.severity[number], SEVERITY.index(verdict))
        traits.is_left[number] &= verdict != "dropped"

    def rule_on_pairs(self, check: str, pairs: Pairs, sentence: str) -> None:
        """A fault of each later picture; the sentence names the earlier one's file and the bits."""
        others, firsts = dict[int, SourcePicture](), {first for first, *_ in pairs.values()}
        for number, picture in self.pictures.numbered(pairs.keys() | firsts):
            if number in firsts:
                others[number] = picture
            if number in pairs:
                first, *bits = pairs[number]
                text = sentence.format(others[first].file, *bits)
                self.rule(number, Fault(check, picture.where, text, picture.id, others[first].id))


def _mask(picture: SourcePicture, digest: Any) -> dict[str, str]:
    """The record's keys of a mask."""
    if picture.mask is None or digest == NO_HASH:
        return {}
    return {"mask_file": f"{picture.id}{picture.mask.suffix}", "mask_sha256": digest.tobytes().hex()}


def validate(
    pictures: PictureScan,
    contents: Iterable[FileContent],
    source_faults: Sequence[Fault],
    config: CollectConfig,
    rulings: Rulings,
    left_out: LeftOut | None = None,
) -> Outcome:
    """Checks each picture alone, then names, copies and near duplicates among the rest, so that a dropped
    picture does not cause others to be dropped. Pictures left out by hand are not checked.
    """
    for fault in source_faults:
        rulings.add(fault)
    outcome = Outcome(pictures, config, rulings)
    for number, (picture, content) in enumerate(zip(pictures, contents, strict=True)):
        if left_out and (reason := left_out.reason(picture.id)) is not None:
            outcome.rule(number, Fault(BY_HAND_CHECK, picture.where, reason, picture.id))
        else:
            _judge_alone(outcome, number, picture, content)
    traits = outcome.traits
    outcome.rule_on_pairs(
        "same_stem",
        equals(traits.name, np.flatnonzero(traits.is_left)),
        "shares its name with {}, so one caption would serve both; rename one",
    )
    whole = np.flatnonzero(traits.is_left & traits.is_read)
    outcome.rule_on_pairs(
        "duplicate",
        equals(traits.sha256, whole),
        "the same file as {}; delete one of them",
    )
    whole = np.flatnonzero(traits.is_left & traits.is_read)
    near, outcome.groups = likenesses(traits, whole, config.near_duplicate_bits)
    outcome.rule_on_pairs("near_duplicate", near, "looks like {} ({} of 64 bits differ); keep the better one")
    return outcome


def _judge_alone(outcome: Outcome, number: int, picture: SourcePicture, content: FileContent) -> None:
    traits, measures, mask = outcome.traits, content.picture, content.mask
    traits.name[number] = name_hash(picture.id)
    if isinstance(measures, Fault):
        outcome.rule(number, measures)
        return
    traits.is_read[number] = True
    traits.sha256[number] = hash_of(measures.sha256)
    traits.phash[number] = measures.perceptual_hash
    traits.width_px[number], traits.height_px[number] = measures.width_px, measures.height_px
    for fault in picture_faults(picture, measures, outcome.config):
        outcome.rule(number, fault)
    if isinstance(mask, MaskMeasures):
        traits.mask_sha256[number] = hash_of(mask.sha256)
        mask = mask_fault(mask, picture, (measures.width_px, measures.height_px))
    if mask:
        traits.mask_sha256[number] = NO_HASH
        outcome.rule(number, mask)


def warnings_of(rulings: Iterable[Ruling]) -> list[str]:
    """One line per check and verdict, with the first pictures' names and one of the sentences."""
    first: dict[tuple[str, str], list[Ruling]] = {}
    numbers: Counter[tuple[str, str]] = Counter()
    for ruling in rulings:
        if ruling.verdict in ("warn", "dropped"):
            kind = (ruling.verdict, ruling.fault.check)
            numbers[kind] += 1
            if numbers[kind] <= MOST_PICTURES_SHOWN:
                first.setdefault(kind, []).append(ruling)
    return [_line(*kind, several, numbers[kind]) for kind, several in sorted(first.items())]


def _line(verdict: str, check: str, first: Sequence[Ruling], number: int) -> str:
    left_out = ", left out" if verdict == "dropped" else ""
    if number == 1:
        return f"{check}{left_out}: {first[0].fault.where}: {first[0].fault.sentence}"
    names = ", ".join(ruling.fault.id or ruling.fault.where for ruling in first)
    more = f" and {number - MOST_PICTURES_SHOWN} more" if number > MOST_PICTURES_SHOWN else ""
    return f"{check}{left_out}: {number} pictures ({names}{more}); {first[0].fault.sentence}"


def counts(outcome: Outcome) -> dict[str, dict[str, int]]:
    """Pictures by verdict, and faults by check."""
    gravities = Counter(outcome.traits.severity[outcome.is_fit].tolist())
    verdicts: dict[str, int] = {SEVERITY[gravity]: number for gravity, number in gravities.items()}
    verdicts["dropped"] = sum(1 for _ in groupby(outcome.dropped, key=lambda ruling: ruling.fault.where))
    checks = Counter(ruling.fault.check for ruling in outcome.rulings)
    return {"verdicts": verdicts, "checks": dict(checks)}
