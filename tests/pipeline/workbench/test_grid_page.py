"""/grid in a real browser: stars and notes, baking in."""

import shutil
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT
from tests.pipeline.workbench.conftest import until
from tests.pipeline.workbench.sample_grid import make_grid
from tests.pipeline.workbench.server import Workbench

HOSTILE = "<img src=x onerror='window.__hit=1'> \U0001f600"


def test_stars_and_a_note_are_given_by_keys_and_undone(page: Any, project: Path, server: Workbench) -> None:
    make_grid(project)
    votes = project / "data/votes.yaml"
    before = votes.read_text()
    page.goto(f"http://127.0.0.1:{server.port}/grid")
    until(page, "document.body.dataset.state === 'ready'")
    assert page.text_content("#mark-place") == "epoch 1"
    page.keyboard.press("4")
    until(page, "document.querySelectorAll('.rating .lit').length === 4")
    page.keyboard.press("n")
    page.keyboard.type(HOSTILE)
    page.keyboard.press("Enter")
    until(page, "text => document.querySelector('#mark-note').textContent === text", HOSTILE)
    (name,) = yaml.safe_load(votes.read_text())
    assert name.endswith(" epoch 1")
    assert yaml.safe_load(votes.read_text())[name] == {"stars": 4, "note": HOSTILE}
    assert page.evaluate("window.__hit") is None
    page.keyboard.press("ArrowDown")
    until(page, "document.querySelector('#mark-place').textContent === 'epoch 2'")
    assert page.locator(".rating .lit").count() == 0
    page.click(".rating [data-stars='5']")
    until(page, "document.querySelectorAll('#order li').length === 2")
    assert page.locator("#order li button").all_inner_texts() == ["epoch 2", "epoch 1"]
    assert page.text_content("#order .place-note") == HOSTILE
    page.keyboard.press("n")
    page.keyboard.type("thrown away")
    page.keyboard.press("Escape")
    assert page.text_content("#mark-note") == ""
    for number in (1, 1, 0):
        page.keyboard.press("Control+z")
        until(page, f"document.querySelectorAll('#order li').length === {number}")
        page.wait_for_timeout(300)
    assert votes.read_text() == before


def test_a_place_is_baked_in_by_mouse_and_undone(page: Any, project: Path, server: Workbench) -> None:
    make_grid(project)
    for name in ("conf", "params.yaml", "params.resolved.yaml"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, project / name)
    before = (project / "params.yaml").read_text().replace("  alpha: 1.0\n", "  alpha: 1.2\n")
    (project / "params.yaml").write_text(before)
    page.goto(f"http://127.0.0.1:{server.port}/grid")
    until(page, "document.body.dataset.state === 'ready'")
    page.select_option("#one", label="epoch 2")
    page.click("#bake")
    assert page.is_disabled("#bake-voted")
    page.click("#bake-place")
    until(page, "document.querySelector('#bake-now').textContent === 'Merged: epoch 2 at 1.'")
    after = (project / "params.yaml").read_text()
    assert after == before.replace("  alpha: 1.2\n", "  alpha: 1.0\n  epoch: 2\n")
    page.click("#undo")
    until(page, "document.querySelector('#bake-now').textContent.endsWith('at 1.2.')")
    assert (project / "params.yaml").read_text() == before
