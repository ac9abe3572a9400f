"""The grid's page, read as text and opened in a browser."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.reports.grid import PageCell, PageSheet, page, shown
from tests.pipeline.reports.chromium import CHROMIUM, seen

FIGURES: dict[str, Any] = {
    "subject": 0.5, "prompt": 0.9375, "clip": None, "blank": 0, "sharpness": 1234.5, "colours": 9.62,
    "clipped": 0.01, "diversity": 0.0687, "copies": 2, "nearest_bits": 6, "nearest_distance": 0.0616,
    "nearest_picture": "zib/a",
}  # fmt: skip
PIXEL = "data:image/webp;base64,UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA=="


def cell(label: str, name: str, span: int = 1, is_best: bool = False) -> PageCell:
    pictures = [f"pictures/{name}-{number:02}.png" for number in (1, 2)]
    return PageCell(label, PIXEL, f"cells/{name}.webp", pictures, span, FIGURES, is_best)


SHEETS = [
    PageSheet(
        "",
        ["weight 0.5", "weight <1>"],
        [
            ("base alone", [cell("base alone", "base", span=2)]),
            ("epoch 5", [cell("epoch 5 · weight 0.5", "a"), cell("epoch 5 · weight <1>", "b", is_best=True)]),
        ],
    )
]
RANKING = [
    {"file": "zib-000005.safetensors", "weight": 1.0, "against": [], "figures": FIGURES},
    {"file": "zib-000005.safetensors", "weight": 0.5, "against": ["1 of 4 is blank"], "figures": FIGURES},
]
JOBS = ["a cat, seed 1", "a cat, seed 2"]


def html() -> str:
    return page("Zib & co", SHEETS, RANKING, [("prompts", ["a cat"]), ("sampler", ["ddim, 20 steps"])], JOBS)


def test_figures_as_people_read_them() -> None:
    assert [shown(name, FIGURES[name]) for name in ("subject", "clip", "sharpness", "colours", "copies")] == [
        "50%", "", "1234", "9.62", "2",
    ]  # fmt: skip


def test_without_scripts_it_is_a_table_of_links_to_pictures() -> None:
    text = html()
    for wanted in (
        "<title>Zib &amp; co</title>",
        '<th scope="col">weight 0.5',
        '<th scope="col">weight &lt;1&gt;',
        '<th scope="row">base alone',
        '<td id="cell-0-0-0" colspan="2">',
        '<a href="cells/a.webp"',
        "subject 50%, prompt 94%, copies 2",
        "1 of 4 is blank",
        "share of pictures in which the tagger finds the whole subject",
    ):
        assert wanted in text
    assert text.count('class="best"') == 1
    assert "clip" not in text.split("Epochs and weights")[1].split("clipped")[0]
    assert text == html()


def test_it_needs_nothing_from_elsewhere() -> None:
    assert "http" not in html()


SCRIPT = """<script>
const one = id => document.getElementById(id), links = document.querySelectorAll('a[data-place]'), told = [];
const note = () => told.push(one('name').textContent, one('large').getAttribute('src'));
const press = key => one('view').dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
links[1].click(); note(); press('ArrowRight'); note(); press(' '); note(); press(' '); note();
press('ArrowUp'); note(); one('stage').click(); note();
one('job').value = '1'; one('job').dispatchEvent(new Event('change'));
told.push(links[1].firstElementChild.getAttribute('src'));
one('close').click(); told.push(one('view').open);
const scroll = document.querySelector('.scroll'), heads = [...scroll.querySelectorAll('th')];
const [corner, column, , , row] = heads, box = scroll.getBoundingClientRect();
Object.assign(scroll.style, { width: '260px', height: '160px' });
scroll.scrollTo(9999, 9999);
const edge = head => head.getBoundingClientRect();
told.push(scroll.scrollLeft > 0 && scroll.scrollTop > 0);
told.push(edge(column).top - box.top < 2, edge(row).left - box.left < 2, edge(corner).left - box.left < 2);
document.body.append(Object.assign(document.createElement('pre'), { textContent: told.join('\\n') }));
</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_in_a_browser_it_flips_between_two_places_without_an_error_or_a_request(tmp_path: Path) -> None:
    for name in ("base", "a", "b"):
        for file in (f"cells/{name}.webp", f"pictures/{name}-01.png", f"pictures/{name}-02.png"):
            (tmp_path / file).parent.mkdir(exist_ok=True)
            Image.new("RGB", (8, 8), "red").save(tmp_path / file)
    elsewhere = "http://example.test/a.png"
    (tmp_path / "other.html").write_text(f'<img src="{elsewhere}"><script>console.error("no")</script>')
    other = seen(tmp_path / "other.html", tmp_path)
    assert other.urls == [elsewhere]
    assert len(other.console) == 1
    (tmp_path / "index.html").write_text(html() + SCRIPT, encoding="utf-8")
    found = seen(tmp_path / "index.html", tmp_path)
    assert (found.console, found.urls) == ([], [])
    told = found.html.split("<pre>")[1].split("</pre>")[0].splitlines()
    left, right = "epoch 5 · weight 0.5", "epoch 5 · weight &lt;1&gt;"
    assert told == [
        left, "cells/a.webp", right, "cells/b.webp", left, "cells/a.webp", right, "cells/b.webp",
        "base alone", "cells/base.webp", right, "cells/b.webp", "pictures/a-02.png", "false",
        "true", "true", "true", "true",
    ]  # fmt: skip
