"""/data in a real browser: copied tags, and what is drawn over the pictures."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from pipeline.files.atomic import read_jsonl, write_jsonl
from pipeline.files.hashing import sha256_of_file
from tests.pipeline.workbench.conftest import settled, until
from tests.pipeline.workbench.server import Workbench


def kept(server: Workbench, number: int) -> list[str]:
    tags: list[str] = server.get(f"/api/rows?n={number}")[str(number)]["kept"]
    return tags


def test_copied_tags_are_added_to_others_after_a_look_and_undone(
    page: Any, project: Path, server: Workbench
) -> None:
    edits = project / "data/tag_edits.yaml"
    before, one, two, three = edits.read_text(), *(kept(server, number) for number in range(3))
    page.keyboard.press("Control+v")
    until(page, "document.querySelector('#said').textContent.startsWith('No tags are copied')")
    page.click("#cell-0")
    page.keyboard.press("Control+c")
    until(page, f"document.querySelector('#said').textContent.startsWith('{len(one)} tags of')")
    page.click("#cell-1")
    page.click("#cell-2", modifiers=["Shift"])
    page.keyboard.press("Control+v")
    page.wait_for_selector("#preview-dialog[open]")
    assert page.text_content("#preview-title") == "2 of 2 captions will change"
    assert edits.read_text() == before
    page.keyboard.press("Enter")
    until(page, "document.querySelector('#said').textContent.includes('added to 2 pictures')")
    written = {
        f"zib/critter-0000{number}": {"add": [tag for tag in one if tag not in own]}
        for number, own in ((1, two), (2, three))
    }
    assert yaml.safe_load(edits.read_text()) == written
    assert set(one) <= set(kept(server, 1))
    page.keyboard.press("Control+z")
    until(page, "document.querySelector('#said').textContent.startsWith('Undone')")
    assert edits.read_text() == before


@pytest.fixture
def masked(project: Path) -> str:
    """The first crop has a mask; its hash."""
    path = project / "data/cropped/masks/zib/critter-00000.png"
    path.parent.mkdir(parents=True)
    mask = Image.new("L", (256, 256), 0)
    mask.paste(255, (64, 64, 192, 192))
    mask.save(path)
    records = project / "data/cropped/records.jsonl"
    first, *others = read_jsonl(records)
    digest = sha256_of_file(path)
    mended = {**first, "mask_file": "zib/critter-00000.png", "mask_sha256": digest}
    write_jsonl(records, [mended, *others])
    return digest


def test_masks_and_boxes_are_drawn_over_the_pictures(masked: str, page: Any) -> None:
    page.keyboard.press("3")
    until(page, "document.querySelector('#cell-0 .mask')?.naturalWidth === 256")
    assert page.get_attribute("#cell-0 .mask", "src") == f"/picture/{masked}/320"
    assert page.text_content("#cell-1 .maskless") == "no mask"
    assert page.locator(".cell .mask").count() == 1
    page.keyboard.press("2")
    until(page, "document.querySelector('#cell-1 .box rect') !== null")
    box = page.locator("#cell-1 .box rect")
    assert [box.get_attribute(name) for name in ("x", "y", "width", "height")] == ["32", "0", "256", "256"]
    assert page.locator(".mask, .maskless").count() == 0
    page.keyboard.press("1")
    until(page, "document.querySelectorAll('.box').length === 0")
    page.keyboard.press("/")
    page.keyboard.type("masked")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('#count').textContent.startsWith('1 ')")
    settled(page)
