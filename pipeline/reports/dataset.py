"""The dataset on one page: every crop with its verdict, its tags, what was dropped and why."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.pictures.records import PICTURES, Record
from pipeline.reports.template import template
from pipeline.reports.thumbnails import data_uris

TEMPLATE = Path(__file__).with_name("dataset.html.j2")
MOST_CARDS = 2000
"""Pictures on the page; a browser is slow with more. The page says so."""
MOST_TAGS = 80
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Card:
    """One crop: its record, thumbnail (data URI) and line of captions.jsonl."""

    record: Record
    thumbnail: str
    caption: Row

    @property
    def made(self) -> str:
        """From which part of what it was cut, in words."""
        left, top, width, height = self.record.origin["box_px"]
        text = f"{self.record.width_px}x{self.record.height_px} from {width}x{height} at {left},{top}"
        if self.record.origin["scale"] > 1:
            text += f", enlarged {self.record.origin['scale']:.2f}x"
        return f"{text}, mirrored" if self.record.origin["mirrored"] else text


@dataclass(frozen=True)
class TagCount:
    """How many captions have a tag, how many lost it, and by which rules."""

    tag: str
    kept: int
    dropped: int
    rules: tuple[str, ...]


def tag_counts(captions: Sequence[Row]) -> list[TagCount]:
    """All tags, the commonest first."""
    kept = Counter(tag for row in captions for tag in set(row["kept"]))
    dropped = Counter(tag for row in captions for tag in {drop["tag"] for drop in row["dropped"]})
    rules: dict[str, set[str]] = {}
    for row in captions:
        for drop in row["dropped"]:
            rules.setdefault(drop["tag"], set()).add(drop["rule"])
    counts = [
        TagCount(tag, kept[tag], dropped[tag], tuple(sorted(rules.get(tag, ()))))
        for tag in kept.keys() | dropped.keys()
    ]
    return sorted(counts, key=lambda count: (-count.kept - count.dropped, count.tag))


def cards_of(records: Sequence[Record], captions: Mapping[str, Row], cropped: Path) -> list[Card]:
    """What was noted first, then by id; at most MOST_CARDS."""
    ordered = sorted(records, key=lambda record: (record.verdict == "ok", record.id))[:MOST_CARDS]
    uris = data_uris({record.sha256: cropped / PICTURES / record.file for record in ordered})
    return [Card(record, uris[record.sha256], captions[record.id]) for record in ordered]


def page(
    cards: Sequence[Card], records: Sequence[Record], captions: Sequence[Row], out: Sequence[Row]
) -> str:
    """The HTML. `out`: what `collect` left out, rows of left_out.jsonl."""
    counts = tag_counts(captions)
    verdicts = Counter(record.verdict for record in records)
    return str(
        template(TEMPLATE).render(
            cards=cards,
            num_pictures=len(records),
            concepts=_concepts(records),
            verdicts=sorted(verdicts.items()),
            tags=counts[:MOST_TAGS],
            num_tags=len(counts),
            most=max((count.kept + count.dropped for count in counts), default=1),
            enlarged=sum(record.origin["scale"] > 1 for record in records),
            left_out=out,
        )
    )


def _concepts(records: Sequence[Record]) -> list[tuple[str, int, int, bool]]:
    """Rows concept, pictures, exposures an epoch, whether they are of the class."""
    pictures = Counter((record.concept, record.is_class) for record in records)
    exposures = Counter[tuple[str, bool]]()
    for record in records:
        exposures[record.concept, record.is_class] += record.repeats
    return [(name, pictures[name, flag], exposures[name, flag], flag) for name, flag in sorted(pictures)]
