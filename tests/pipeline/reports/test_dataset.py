import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.pictures.records import Record
from pipeline.reports.dataset import TagCount, cards_of, page, tag_counts

RULE = "blacklist * fur"
LEFT_OUT = [{"id": "zib/x", "name": "x.png", "check": "truncated", "sentence": "cut short"}]


def row(picture_id: str, *kept: str, dropped: tuple[str, ...] = ()) -> dict[str, Any]:
    drops = [{"tag": tag, "rule": RULE, "score": 0.9} for tag in dropped]
    return {"id": picture_id, "caption": ", ".join(kept), "kept": list(kept), "dropped": drops, "added": []}


def record(folder: Path, name: str, verdict: str = "ok", notes: tuple[str, ...] = ()) -> Record:
    pixels = np.random.default_rng(len(name)).integers(0, 256, (300, 300, 3), np.uint8)
    path = folder / "pictures" / "zib" / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return Record(
        id=f"zib/{name}", file=f"zib/{name}.png", sha256=name * 8, width_px=300, height_px=300, concept="zib",
        repeats=7, is_class=False, caption=None, verdict=verdict, notes=list(notes), group=f"zib/{name}",
        origin={"box_px": [0, 5, 200, 200], "whole_px": [240, 205], "scale": 1.5, "mirrored": False},
    )  # fmt: skip


def test_tags_are_counted_by_caption() -> None:
    rows = [row("a", "zib", "smile"), row("b", "zib", dropped=("red fur",)), row("c", dropped=("smile",))]
    assert tag_counts(rows) == [
        TagCount("smile", 1, 1, (RULE,)),
        TagCount("zib", 2, 0, ()),
        TagCount("red fur", 0, 1, (RULE,)),
    ]


def test_the_page_shows_every_picture_with_its_tags_and_remarks(tmp_path: Path) -> None:
    records = [record(tmp_path, "a"), record(tmp_path, "bb", "warn", ("blur: too soft <b>",))]
    rows = [row("zib/a", "zib", dropped=("red fur",)), row("zib/bb", "zib", "smile")]
    cards = cards_of(records, rows, tmp_path)
    assert [card.record.id for card in cards] == ["zib/bb", "zib/a"]
    encoded = cards[0].thumbnail.removeprefix("data:image/webp;base64,")
    assert Image.open(io.BytesIO(base64.b64decode(encoded))).size == (192, 192)
    html = page(cards, records, rows, LEFT_OUT)
    for text in (
        "zib/bb",
        "300x300, kept 200x200 of 240x205, enlarged 1.50x",
        "x.png",
        "truncated: cut short",
        f"0.90: {RULE}",
    ):
        assert text in html
    assert "blur: too soft &lt;b&gt;" in html
    assert html.count('class="card"') == 2
    assert html == page(cards, records, rows, LEFT_OUT)


def test_the_page_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    records = [record(tmp_path, "a")]
    html = page(cards_of(records, [row("zib/a")], tmp_path), records, [], [])
    assert "http" not in html
    assert 'src="data:' in html
