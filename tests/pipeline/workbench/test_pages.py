"""The pages in a real browser: what a person does with mouse and keyboard ends in the files, to the byte."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.captions.edit_file import read_edits
from pipeline.pictures.records import Records, read_records
from pipeline.schemas import CropConfig
from stages import crop
from tests.pipeline.workbench.conftest import settled, until
from tests.pipeline.workbench.sample_grid import make_grid
from tests.pipeline.workbench.server import Workbench

HOSTILE = '<img src=x onerror="window.__hit=1">'


def said(page: Any, text: str) -> None:
    """Waits for a sentence at the bottom."""
    until(page, "text => document.querySelector('#said').textContent.includes(text)", text)


def count(page: Any) -> str:
    settled(page)
    return str(page.text_content("#count")).strip()


def at_count(page: Any, text: str) -> None:
    until(page, "text => document.querySelector('#count').textContent.trim() === text", text)


def wrote(path: Path) -> Any:
    return yaml.safe_load(path.read_text()) or {}


def test_three_pictures_are_culled_by_keys_alone(page: Any, project: Path) -> None:
    left_out = project / "data/left_out.yaml"
    before = left_out.read_text()
    page.keyboard.press("c")
    page.wait_for_selector("#cull-stage img")
    for key in ("1", "k", "2", "Space", "3"):
        page.keyboard.press(key)
    page.keyboard.press("Escape")
    until(page, "document.querySelectorAll('.cell.left').length === 3")
    lines = "zib/critter-00000: bad quality\nzib/critter-00002: wrong subject\nzib/critter-00004: duplicate\n"
    assert left_out.read_text() == before.removesuffix("{}\n") + lines
    for _ in range(3):
        page.keyboard.press("Control+z")
        said(page, "Undone")
        page.wait_for_timeout(300)
    until(page, "document.querySelectorAll('.cell.left').length === 0")
    assert left_out.read_text() == before


def test_pictures_are_culled_by_mouse_alone(page: Any, project: Path) -> None:
    page.click("#cull")
    page.wait_for_selector("#cull-stage img")
    for key in ("1", "k", "3"):
        page.click(f"#cull-keys [data-key='{key}']")
    page.click("#cull-keys [aria-label=Previous]")
    page.click("#cull-keys [data-key=u]")
    page.click("#cull-close")
    until(page, "document.querySelectorAll('.cell.left').length === 1")
    assert wrote(project / "data/left_out.yaml") == {"zib/critter-00000": "bad quality"}


def test_a_reason_in_words_is_asked_for(page: Any, project: Path) -> None:
    page.keyboard.press("ArrowRight")
    page.keyboard.press("x")
    page.keyboard.type("no: it is # blurred")
    page.keyboard.press("Enter")
    said(page, "1 picture left out")
    assert wrote(project / "data/left_out.yaml") == {"zib/critter-00001": "no: it is # blurred"}


def test_a_tag_is_replaced_in_the_filtered_set_undone_and_done_again_by_keys_alone(
    page: Any, project: Path, server: Workbench
) -> None:
    edits = project / "data/tag_edits.yaml"
    before = edits.read_bytes()
    page.keyboard.press("/")
    page.keyboard.type("tag:smile")
    page.keyboard.press("Enter")
    number = len(server.get("/api/filter?q=tag:smile")["numbers"])
    assert 5 < number < 40
    at_count(page, f"{number} of 60 pictures")
    page.keyboard.press("r")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowDown")  # remove -> replace
    page.keyboard.press("Tab")
    page.keyboard.type("smile")
    page.keyboard.press("Tab")
    page.keyboard.type("grin, teeth")
    page.keyboard.press("Enter")
    page.wait_for_selector("#preview-dialog[open]")
    assert page.text_content("#preview-title") == f"{number} of {number} captions will change"
    assert page.locator(".change").count() == min(number, 20)
    page.keyboard.press("Enter")
    said(page, f"smile replaced by grin, teeth in {number} pictures")
    at_count(page, "0 of 60 pictures")
    after = edits.read_bytes()
    assert [edit.replace for edit in read_edits(edits)] == [{"smile": ("grin", "teeth")}] * number
    page.keyboard.press("Control+z")
    at_count(page, f"{number} of 60 pictures")
    assert edits.read_bytes() == before
    page.keyboard.press("Control+Shift+z")
    at_count(page, "0 of 60 pictures")
    assert edits.read_bytes() == after


def test_a_caption_is_written_in_place_and_the_next_one_follows(page: Any, project: Path) -> None:
    page.keyboard.press("e")
    page.wait_for_selector("#inspect textarea")
    page.keyboard.press("Control+a")
    page.keyboard.type("zibbo, a new one")
    page.keyboard.press("Tab")
    page.wait_for_selector("#inspect textarea[aria-label='caption of zib/critter-00001']")
    page.keyboard.press("Control+a")
    page.keyboard.type("zibbo, thrown away")
    page.keyboard.press("Escape")
    page.wait_for_selector("#inspect .caption")
    assert wrote(project / "data/tag_edits.yaml") == {"zib/critter-00000": {"set": "zibbo, a new one"}}


def test_a_rule_is_written_as_one_line(page: Any, project: Path) -> None:
    page.keyboard.press("a")
    page.keyboard.type("night")
    page.keyboard.press("Enter")
    page.wait_for_selector("#preview-dialog[open]")
    page.check("#as-rule")
    page.click("#apply")
    said(page, "night added to zib/*")
    assert wrote(project / "data/tag_edits.yaml") == {"zib/*": {"add": ["night"]}}


def test_a_change_by_another_program_is_shown_and_nothing_is_lost(page: Any, project: Path) -> None:
    edits = project / "data/tag_edits.yaml"
    page.keyboard.press("e")
    page.wait_for_selector("#inspect textarea")
    edits.write_text("# mine\nzib/critter-00000: {add: [theirs]}\n")
    page.keyboard.press("Control+a")
    page.keyboard.type("zibbo, mine")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open] .changes")
    assert "add: [theirs]" in page.text_content("dialog[open] .changes")
    assert edits.read_text() == "# mine\nzib/critter-00000: {add: [theirs]}\n"
    page.click("dialog[open] button[value=again]")
    said(page, "caption of 1 picture written")
    assert edits.read_text().startswith("# mine\n")
    assert wrote(edits) == {"zib/critter-00000": {"set": "zibbo, mine"}}


def test_what_a_stranger_wrote_is_text(page: Any, project: Path, server: Workbench) -> None:
    assert server.post("/api/edits", ids=["zib/critter-00000"], kind="set", text=HOSTILE).status == 200
    assert server.post("/api/leave-out", pictures=["zib/critter-00000"], reason=HOSTILE).status == 200
    assert server.post("/api/edits", ids=["zib/critter-00001"], kind="add", tags=[HOSTILE]).status == 200
    page.reload()
    settled(page)
    until(page, "text => document.querySelector('#inspect').textContent.includes(text)", HOSTILE)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("/")
    page.keyboard.type("img")
    page.wait_for_timeout(500)
    page.keyboard.press("Escape")
    page.keyboard.press("c" if page.evaluate("document.activeElement.id") == "grid" else "Escape")
    page.wait_for_timeout(300)
    assert page.evaluate("window.__hit") is None
    assert page.locator("img[src=x]").count() == 0


def fault(check: str, number: int, verdict: str = "error", **other: Any) -> dict[str, Any]:
    name = f"zib/critter-{number:05}"
    return {
        "check": check, "where": f"pictures/{name}.png", "sentence": f"{check} {HOSTILE}", "id": name,
        "other": None, "measured": None, "limit": None, "verdict": verdict, "reason": "", **other,
    }  # fmt: skip


def faults(project: Path) -> None:
    rows = [
        fault("blur", 1, measured=12.0, limit=40.0),
        fault("blur", 2, measured=33.0, limit=40.0),
        fault("near_duplicate", 3, other="zib/critter-00004", measured=2, limit=6),
        fault("unreadable", 5),
    ]
    names = [f"zib/critter-{number:05}" for number in range(1, 5)]
    value = {
        "faults": rows, "problems": [], "unused_waivers": [["zib/critter-00050", "blur"]],
        "pictures": {name: f"data/collected/pictures/{name}.png" for name in names},
    }  # fmt: skip
    path = project / ".athanor/workbench/gate.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def test_faults_are_decided_by_keys_and_only_with_a_reason(
    page: Any, project: Path, server: Workbench
) -> None:
    faults(project)
    page.goto(f"http://127.0.0.1:{server.port}/gate")
    until(page, "document.body.dataset.state === 'ready'")
    assert page.text_content("#gate-count") == "4 to decide of 4"
    assert page.evaluate("window.__hit") is None
    waivers, left_out = project / "data/waivers.yaml", project / "data/left_out.yaml"
    page.keyboard.press("w")
    page.keyboard.press("Enter")  # without a reason the form stays
    assert page.locator("#reason-dialog[open]").count() == 1
    page.keyboard.type("he runs")
    page.keyboard.press("Enter")
    said(page, "blur waived for 1 picture")
    assert wrote(waivers) == {"zib/critter-00001": {"blur": "he runs"}}
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.type("out of focus")
    page.keyboard.press("Enter")
    said(page, "1 picture left out")
    page.click("text=Keep zib/critter-00004")
    until(page, "document.querySelector('#gate-count').textContent.startsWith('1 ')")
    assert wrote(left_out) == {
        "zib/critter-00002": "out of focus", "zib/critter-00003": "duplicate of zib/critter-00004",
    }  # fmt: skip
    unreadable = page.locator("section[aria-label=unreadable]")
    assert unreadable.get_by_text("Waive").count() == 0
    for _ in range(3):
        page.keyboard.press("Control+z")
        page.wait_for_timeout(400)
    until(page, "document.querySelector('#gate-count').textContent.startsWith('4 ')")
    assert wrote(waivers) == wrote(left_out) == {}


def test_one_reason_waives_a_check_for_all_its_pictures(page: Any, project: Path, server: Workbench) -> None:
    faults(project)
    page.goto(f"http://127.0.0.1:{server.port}/gate")
    page.click("text=Waive for these 2")
    page.keyboard.type("all of them run")
    page.keyboard.press("Enter")
    said(page, "blur waived for 2 pictures")
    assert wrote(project / "data/waivers.yaml") == {
        "zib/critter-00001": {"blur": "all of them run"}, "zib/critter-00002": {"blur": "all of them run"},
    }  # fmt: skip


def test_names_of_this_set_complete_a_tag(page: Any) -> None:
    page.keyboard.press("a")
    page.keyboard.type("smi")
    page.wait_for_selector("#first-names li")
    assert page.text_content("#first-names li span") == "smile"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.input_value("#first") == "smile, "
    assert page.locator("#preview-dialog[open]").count() == 0


def test_filter_sort_and_place_are_in_the_address(page: Any, server: Workbench) -> None:
    page.keyboard.press("/")
    page.keyboard.type("tag:smile")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")
    until(page, "location.search.includes('at=')")
    place = page.evaluate("new URLSearchParams(location.search).get('at')")
    page.reload()
    settled(page)
    until(page, "text => document.querySelector('#inspect h2')?.textContent === text", place)
    assert page.input_value("#q") == "tag:smile"


def test_a_click_a_shift_click_and_a_drawn_box_select(page: Any) -> None:
    cells = page.locator(".cell:not([hidden])")
    page.click("#cell-0")
    page.click("#cell-2", modifiers=["Shift"])
    assert page.text_content("#scope") == "3 pictures selected"
    page.click("#cell-1", modifiers=["Control"])
    assert page.text_content("#scope") == "2 pictures selected"
    one, other = cells.nth(0).bounding_box(), page.locator("#cell-5").bounding_box()
    page.mouse.move(one["x"] + 20, one["y"] + 20)
    page.mouse.down()
    page.mouse.move(other["x"] + 30, other["y"] + 30, steps=5)
    page.mouse.up()
    columns = page.evaluate("document.getElementById('grid').columns")
    wide = 5 % columns + 1
    assert page.text_content("#scope") == f"{wide * (5 // columns + 1)} pictures selected"
    page.keyboard.press("Escape")
    assert page.text_content("#scope") == "all 60 pictures shown"


@pytest.mark.parametrize("width", [390, 768, 1400, 2560])
@pytest.mark.parametrize("place", ["", "data", "crop", "grid", "gate"])
def test_no_page_scrolls_sideways_and_every_control_has_a_name(
    page: Any, project: Path, server: Workbench, width: int, place: str
) -> None:
    faults(project)
    make_grid(project)
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"http://127.0.0.1:{server.port}/{place}")
    until(page, "document.body.dataset.state === 'ready'")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    nameless = page.evaluate("""[...document.querySelectorAll('button, input, select, textarea, a')]
        .filter(each => !(each.textContent.trim() || each.ariaLabel || each.closest('label')))
        .map(each => each.outerHTML)""")
    assert nameless == []
    small = page.evaluate("""[...document.querySelectorAll('button:not(.cut), select')]
        .filter(each => each.checkVisibility())
        .filter(each => Math.min(each.clientWidth, each.getBoundingClientRect().height) < 22)
        .map(each => each.outerHTML)""")
    assert small == []


CONTRAST = """() => {
  const part = value => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const luminance = colour => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map(value => part(value / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    for (let each = element; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      if (colour.startsWith('rgb(')) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const hasText = element => [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
  const isRead = element => hasText(element)
    && element.checkVisibility({opacityProperty: true}) && !element.closest(':disabled, #said');
  const low = [];
  for (const element of [...document.querySelectorAll('body *')].filter(isRead)) {
    const pair = [getComputedStyle(element).color, behind(element)].map(luminance);
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (ratio < 4.5) low.push(`${ratio.toFixed(2)} ${element.tagName} ${element.textContent.trim()}`);
  }
  return low;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("place", ["", "data", "crop", "grid", "gate"])
def test_texts_stand_out_from_their_ground(
    page: Any, project: Path, server: Workbench, scheme: str, place: str
) -> None:
    faults(project)
    make_grid(project)
    page.emulate_media(color_scheme=scheme)
    page.goto(f"http://127.0.0.1:{server.port}/{place}")
    page.wait_for_selector(
        {
            "": "#home-lines li",
            "data": "#inspect h2",
            "crop": "#crop-cuts img",
            "grid": "#ranking h2",
            "gate": ".fault",
        }[place]
    )
    assert page.evaluate(CONTRAST) == []


def test_few_pictures_are_in_the_document_at_any_time(page: Any) -> None:
    page.evaluate("document.getElementById('grid').resize(-4)")
    for place in range(0, 60, 7):
        page.evaluate("place => document.getElementById('grid').go(place)", place)
        assert page.locator(".cell").count() <= 400
    page.evaluate("document.getElementById('grid').resize(4)")
    page.keyboard.press("End")
    page.wait_for_selector("#cell-59")
    assert page.locator(".cell:not([hidden])").count() < 30


def test_the_pages_work_over_a_checkout_without_outputs(page: Any, project: Path) -> None:
    address = page.url
    page.goto("about:blank")
    shutil.rmtree(project / "data/cropped")
    shutil.rmtree(project / "data/collected")
    page.goto(address)
    page.wait_for_selector(".empty")
    assert "dvc repro collect" in page.text_content(".empty")


def test_a_crop_by_mouse_and_keys_is_what_the_stage_cuts(
    page: Any, project: Path, server: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits = project / "data/crop_edits.yaml"
    before = edits.read_text()
    page.goto(f"http://127.0.0.1:{server.port}/crop?at=zib/critter-00003")
    until(page, "document.body.dataset.state === 'ready'")
    bounds = page.locator("#crop-drawing").bounding_box()
    unit = bounds["width"] / 320

    def at(x: float, y: float) -> None:
        page.mouse.move(bounds["x"] + x * unit, bounds["y"] + y * unit, steps=4)

    at(32, 0)  # the box is square, as high as the picture; its corner goes 60 px right and down
    whole = page.evaluate("document.querySelector('#crop-drawing .cut').getAttribute('x')")
    at(float(whole), 0)
    page.mouse.down()
    at(float(whole) + 60, 60)
    page.mouse.up()
    until(page, "document.querySelector('#crop-cuts figcaption').textContent.includes('from 196')")
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("ArrowUp")
    left = int(whole) + 60 - 10
    until(page, f"document.querySelector('#crop-drawing .cut').getAttribute('x') === '{left}'")
    page.keyboard.press("Enter")
    said(page, "crop of zib/critter-00003 decided")
    assert (
        edits.read_text()
        == before.removesuffix("{}\n") + f"zib/critter-00003: {{box: [{left}, 59, 196, 196]}}\n"
    )
    until(page, "document.querySelector('#crop-name').textContent === 'zib/critter-00004'")
    page.mouse.click(bounds["x"] + 100 * unit, bounds["y"] + 90 * unit)
    page.keyboard.press("m")
    page.keyboard.press("Enter")
    said(page, "crop of zib/critter-00004 decided")
    assert wrote(edits)["zib/critter-00004"] == {"focus": [100, 90], "mirror": True}
    monkeypatch.chdir(project)
    values = yaml.safe_load((project / "params.resolved.yaml").read_text())["crop"]
    records = Records(Path("data/collected"))
    config = CropConfig.model_validate(values)
    crop.write(project / "tried", records, config, crop.checked_edits(records))
    crops = {record.id: record.origin["box_px"] for record in read_records(project / "tried/data/cropped")}
    assert crops["zib/critter-00003"] == [left, 59, 196, 196]
    assert crops["zib/critter-00004"] == crops["zib/critter-00004-mirror"] == [0, 0, 256, 256]
    page.keyboard.press("Control+z")
    said(page, "Undone")
    until(page, "document.querySelector('#mirror').ariaPressed === 'false'")
    assert "zib/critter-00004" not in wrote(edits)


def test_a_crop_outside_the_picture_is_refused_in_words(server: Workbench, project: Path) -> None:
    before = (project / "data/crop_edits.yaml").read_bytes()
    for own, text in (
        ({"box": [300, 0, 100, 100]}, "is not inside the picture (320x256 px)"),
        ({"focus": [1]}, "focus"),
        ({"zoom": 2}, "allowed: focus, box, mirror, split"),
    ):
        answer = server.post("/api/crop", picture="zib/critter-00000", own=own)
        assert answer.status == 422
        assert text in answer.json["error"]
    assert "no record names" in server.post("/api/crop", picture="../../x", own={}).json["error"]
    assert (project / "data/crop_edits.yaml").read_bytes() == before


def test_thirty_blind_votes_by_keys_rank_the_places(page: Any, project: Path, server: Workbench) -> None:
    make_grid(project)
    page.goto(f"http://127.0.0.1:{server.port}/grid")
    until(page, "document.body.dataset.state === 'ready'")
    page.keyboard.press("v")
    brighter = """() => ['left', 'right'].map(side => {
        const image = document.querySelector(`#${side} img`), canvas = document.createElement('canvas');
        canvas.width = canvas.height = 1;
        canvas.getContext('2d').drawImage(image, 0, 0, 1, 1);
        return canvas.getContext('2d').getImageData(0, 0, 1, 1).data.slice(0, 3).reduce((a, b) => a + b);
    })"""
    ready = "[...document.querySelectorAll('#vote-stage img')].filter(each => each.complete).length === 2"
    for number in range(12):
        until(page, f"document.querySelector('#vote-count').textContent.startsWith('{number} ') && {ready}")
        assert page.locator("#vote-view").inner_text().find("epoch") == -1
        left, right = page.evaluate(brighter)
        page.keyboard.press("ArrowLeft" if left > right else "ArrowRight")
    said(page, "every pair has a vote")
    until(page, "document.querySelectorAll('#ranking li').length === 3")
    names = page.locator("#ranking li button").all_inner_texts()
    assert names == ["epoch 3", "epoch 2", "epoch 1"]
    assert len(wrote(project / "data/votes.yaml")) == 12
    assert "order 0 of 3 pairs" in page.text_content("#ranking")
    page.keyboard.press("Control+z")
    said(page, "Undone: 1 vote")
    assert len(wrote(project / "data/votes.yaml")) == 11


def test_places_are_flipped_slid_and_zoomed_together(page: Any, project: Path, server: Workbench) -> None:
    make_grid(project)
    page.goto(f"http://127.0.0.1:{server.port}/grid")
    until(page, "document.body.dataset.state === 'ready'")
    first = page.get_attribute("#view img", "src")
    page.keyboard.press("Space")
    other = page.get_attribute("#view img", "src")
    assert other != first
    page.keyboard.press("Space")
    assert page.get_attribute("#view img", "src") == first
    for key, mode in (("s", "side"), ("l", "slide"), ("d", "difference")):
        page.keyboard.press(key)
        assert page.locator(f"#view.{mode} img").count() == 2
    page.keyboard.press("l")
    page.keyboard.press("]")
    assert page.evaluate("document.querySelector('#view').style.getPropertyValue('--cut')") == "55%"
    page.mouse.move(500, 400)
    page.mouse.wheel(0, -300)
    until(
        page,
        "new Set([...document.querySelectorAll('#view img')].map(e => e.offsetWidth)).size === 1",
    )
    assert page.evaluate("document.querySelector('#view').style.getPropertyValue('--zoom')") == "1.2"
    page.keyboard.press("PageDown")
    assert page.input_value("#prompt") == "2"
    page.keyboard.press(".")
    assert page.input_value("#seed") == "8"
