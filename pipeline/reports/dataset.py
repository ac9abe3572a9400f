"""The dataset page: every crop with its verdict, tags, and dropped tags with reasons."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from pathlib import Path
from typing import Any

from pipeline.pictures.masks import MASK_FOLDER
from pipeline.pictures.records import PICTURE_FOLDER, Record
from pipeline.reports.template import template
from pipeline.reports.thumbnails import data_uris

TEMPLATE = Path(__file__).with_name("dataset.html.j2")
MOST_CARDS = 2000
"""Most pictures on the page, which says if there are more; browsers are slow with more."""
MOST_DATASET_TAGS = 80
MOST_LEFT_OUT = 500
CaptionRow = Mapping[str, Any]


@dataclass(frozen=True)
class Card:
    """One crop: its record, thumbnail (data URI) and line of captions.jsonl."""

    record: Record
    thumbnail: str
    caption: CaptionRow
    mask: str = ""
    """Thumbnail of its mask (data URI), if it has one."""

    @property
    def made(self) -> str:
        """The part of the picture that it was cut from, in words."""
        _, _, width, height = self.record.origin["box_px"]
        whole = "x".join(map(str, self.record.origin["whole_px"]))
        text = f"{self.record.width_px}x{self.record.height_px}, kept {width}x{height} of {whole}"
        if self.record.origin["scale"] > 1:
            text += f", enlarged {self.record.origin['scale']:.2f}x"
        return f"{text}, mirrored" if self.record.origin["mirrored"] else text

    @property
    def words(self) -> str:
        """What the filter finds it by: its name, captions, kept tags and remarks."""
        kept, others = ", ".join(self.caption["kept"]), self.caption.get("kinds", {}).values()
        texts = [self.record.id, self.caption["caption"], *others, kept, *self.record.notes]
        return "\n".join(texts).lower()

    @property
    def lost(self) -> str:
        """The dropped tags, for `dropped:`."""
        return "\n".join(drop["tag"] for drop in self.caption["dropped"]).lower()


@dataclass(frozen=True)
class TagCount:
    """How many captions have a tag, how many lost it, and which rules dropped it."""

    tag: str
    kept: int
    dropped: int
    rules: tuple[str, ...]


def tag_counts(captions: Iterable[CaptionRow]) -> list[TagCount]:
    """All tags, the commonest first."""
    kept, dropped = Counter[str](), Counter[str]()
    rules: dict[str, set[str]] = {}
    for row in captions:
        kept.update(set(row["kept"]))
        dropped.update({drop["tag"] for drop in row["dropped"]})
        for drop in row["dropped"]:
            rules.setdefault(drop["tag"], set()).add(drop["rule"])
    counts = [
        TagCount(tag, kept[tag], dropped[tag], tuple(sorted(rules.get(tag, ()))))
        for tag in kept.keys() | dropped.keys()
    ]
    return sorted(counts, key=lambda count: (-count.kept - count.dropped, count.tag))


def cards_of(records: Iterable[Record], captions: Iterable[CaptionRow], cropped: Path) -> list[Card]:
    """Cards with remarks first, then by id; at most MOST_CARDS. Reads both inputs in one pass."""
    ordered = nsmallest(MOST_CARDS, records, key=lambda record: (record.verdict == "ok", record.id))
    uris = data_uris({record.sha256: cropped / PICTURE_FOLDER / record.file for record in ordered})
    shown = {record.id for record in ordered}
    rows = {row["id"]: row for row in captions if row["id"] in shown}
    masks = mask_uris(ordered, cropped)
    return [
        Card(record, uris[record.sha256], rows[record.id], masks.get(record.mask_sha256 or "", ""))
        for record in ordered
    ]


def mask_uris(records: Iterable[Record], cropped: Path) -> dict[str, str]:
    """Thumbnails of the records' masks, by hash."""
    files = {
        record.mask_sha256: cropped / MASK_FOLDER / record.mask_file
        for record in records
        if record.mask_file and record.mask_sha256
    }
    return data_uris(files) if files else {}


class Totals:
    """Counts over all records, in one pass."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.pictures = self.enlarged = 0
        self.verdicts = Counter[str]()
        self.by_concept, self.exposures = Counter[tuple[str, bool]](), Counter[tuple[str, bool]]()
        for record in records:
            self.pictures += 1
            self.enlarged += record.origin["scale"] > 1
            self.verdicts[record.verdict] += 1
            self.by_concept[record.concept, record.is_class] += 1
            self.exposures[record.concept, record.is_class] += record.repeats

    def concepts(self) -> list[tuple[str, int, int, bool]]:
        """Rows of concept, pictures, showings an epoch, whether it is of the class."""
        return [
            (name, self.by_concept[name, flag], self.exposures[name, flag], flag)
            for name, flag in sorted(self.by_concept)
        ]


def page(
    cards: Sequence[Card],
    records: Iterable[Record],
    captions: Iterable[CaptionRow],
    out: Sequence[CaptionRow],
) -> str:
    """The HTML. `out`: rows of left_out.jsonl, what `collect` left out."""
    counts, totals = tag_counts(captions), Totals(records)
    return str(
        template(TEMPLATE).render(
            cards=cards,
            num_pictures=totals.pictures,
            concepts=totals.concepts(),
            verdicts=sorted(totals.verdicts.items()),
            tags=counts[:MOST_DATASET_TAGS],
            num_tags=len(counts),
            most=max((count.kept + count.dropped for count in counts), default=1),
            enlarged=totals.enlarged,
            left_out=out[:MOST_LEFT_OUT],
            num_left_out=len(out),
            num_masks=sum(bool(card.mask) for card in cards),
        )
    )
