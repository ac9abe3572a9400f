"""The stage report: its page, read as text, opened in a browser, and its programs run."""

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from pipeline.config import load
from pipeline.errors import UserError
from pipeline.files.hashing import sha256_of_file
from pipeline.reports.run.usage import uses
from pipeline.votes.grid_places import GRID_FILE, grid_name, places_of
from pipeline.votes.vote_file import VOTES, Pair
from stages import compose, report, sample_grid
from tests.pipeline.reports.chromium import CHROMIUM, framed, seen
from tests.stages.project import make_project, run_all

REPORT = Path("reports/index.html")
SCRIPT = """<script>
const told = [document.documentElement.className,
  [...document.images].every(image => image.naturalWidth > 0)].join(' ');
document.body.append(Object.assign(document.createElement('pre'), { id: 'told', textContent: told }));
</script>"""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project in which every stage has run; the working folder."""
    folder = make_project(
        tmp_path_factory.mktemp("report") / "project",
        validation={"share": 0.34},
        sample_grid={"prompts": ["zib & <co>", "sky"], "sampler": "Euler a", "negative_prompt": "bad"},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ATHANOR_STORE", str(folder / "store"))
        run_all()
        yield folder


def test_it_tells_what_to_take_and_how_to_check_it(done: Path) -> None:
    text = REPORT.read_text()
    choice = json.loads(Path("reports/sample-grid/choice.json").read_text())
    best = json.loads(Path("reports/sample-grid/ranking.json").read_text())[0]
    for wanted in (
        "<h1>net</h1>",
        "LoRA, dim 2, alpha 1 on base",
        f"&lt;lora:{choice['file'].removesuffix('.safetensors')}:{best['weight']:g}&gt;",
        "zib &amp; &lt;co&gt;",
        "<code>network.dim</code>",
        "On held-out pictures, epoch",
        "Training loss",
        "git log --oneline -S " + json.loads(Path("metrics/merge.json").read_text())["sha256"],
    ):
        assert wanted in text
    for file in [*Path("models/network").iterdir(), *Path("models/merged").iterdir()]:
        assert f"sha256 {sha256_of_file(file)}" in text
    assert "http" not in text
    assert str(done) not in text


def test_the_same_inputs_give_the_same_bytes(done: Path) -> None:
    before = REPORT.read_bytes()
    report.main([])
    assert REPORT.read_bytes() == before


def test_its_links_lead_to_files(done: Path) -> None:
    for link in ("sample-grid/index.html", "dataset/index.html"):
        assert f'href="{link}"' in REPORT.read_text()
        assert (REPORT.parent / link).is_file()


def test_the_verdict_comes_first_with_pictures_that_lead_to_their_cells(done: Path) -> None:
    text = REPORT.read_text()
    (first, *_) = json.loads(Path("reports/sample-grid/verdict.json").read_text())["sentences"]
    assert text.index("<h1>") < text.index(f'<p class="first">{first}') < text.index('<div class="four"')
    assert text.index('<div class="four"') < text.index('<div class="hero">')
    grid = Path("reports/sample-grid/index.html").read_text()
    anchors = re.findall(r'href="sample-grid/index.html#([^"]+)"', text)
    assert len(anchors) == len(set(anchors)) > 1
    for anchor in anchors:
        assert f'id="{anchor}"' in grid


def test_votes_on_this_grid_are_said_and_those_on_others_counted_apart(done: Path) -> None:
    before, votes = REPORT.read_bytes(), VOTES.read_text() if VOTES.exists() else None
    content = json.loads(GRID_FILE.read_text())
    one, two = [place.label for place in places_of(content) if place.network][:2]
    name = grid_name(GRID_FILE.read_bytes())
    try:
        VOTES.parent.mkdir(exist_ok=True)
        VOTES.write_text(f'"{Pair("0" * 12, one, two, 1, 1).name}": first\n')
        report.main([])
        said = html.unescape(REPORT.read_text())
        assert "Votes on other grids, which do not count: 1." in said
        assert "leads" not in said
        VOTES.write_text(f'"{Pair(name, one, two, 1, 1).name}": first\n')
        report.main([])
        assert f"1 vote: {one} leads" in html.unescape(REPORT.read_text())
    finally:
        VOTES.unlink()
        if votes is not None:
            VOTES.write_text(votes)
        report.main([])
    assert REPORT.read_bytes() == before


def test_a_missing_picture_of_the_verdict_is_a_sentence(done: Path) -> None:
    four = report.story(load("report")).four
    assert four is not None
    lost = GRID_FILE.parent / four.pictures[-1][0].file
    kept = lost.read_bytes()
    lost.unlink()
    try:
        with pytest.raises(UserError, match=f"{lost.name}.*dvc checkout"):
            report.main([])
    finally:
        lost.write_bytes(kept)


def test_the_recipe_is_the_params_file(done: Path) -> None:
    recipe = json.loads(Path("reports/recipe.json").read_text())
    params = yaml.safe_load(Path("params.yaml").read_text())
    told = {row["key"]: row["value"] for row in recipe["values"]}
    assert told["network.dim"] == params["network"]["dim"]
    assert "train.epochs" in told
    assert recipe["use"] == []


def test_a_grid_of_other_things_and_no_tagger(done: Path) -> None:
    before, params = Path("params.yaml").read_text(), yaml.safe_load(Path("params.yaml").read_text())
    page = REPORT.read_bytes()
    params["sample_grid"] |= {"x": "guidance", "x_values": [3, 5], "y": "seed", "y_values": [1, 2]}
    params["sample_grid"] |= {"subject_tags": [], "network": "none"}
    try:
        Path("params.yaml").write_text(yaml.safe_dump(params))
        for stage in (compose, sample_grid, report):
            stage.main([])
        text = REPORT.read_text()
        assert "Judge by eye" in text
        assert "so it proposes none:" in text
        assert '<p class="big">net-000002.safetensors</p>' in text
    finally:
        Path("params.yaml").write_text(before)
        for stage in (compose, sample_grid, report):
            stage.main([])
    assert REPORT.read_bytes() == page


def test_its_program_for_diffusers_draws_the_grids_own_picture(done: Path) -> None:
    story = report.story(load("report"))
    exec(uses(story.proposal)[2].blocks[0][1], {})
    grid, best = json.loads(Path("reports/sample-grid/grid.json").read_text()), story.ranking[0]
    (file,) = (
        cell["pictures"][0]["file"]
        for cell in grid["cells"]
        if (cell["epoch"], cell["weight"]) == (best["epoch"], best["weight"])
    )
    ours, theirs = (
        np.asarray(Image.open(path)).astype(int) for path in (f"reports/sample-grid/{file}", "picture.png")
    )
    # Sums of a batch of two may round otherwise.
    assert np.abs(ours - theirs).max() <= 1


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_in_a_browser_its_script_runs_and_its_pictures_show(done: Path, tmp_path: Path) -> None:
    opened = done / "reports/opened.html"
    opened.write_text(REPORT.read_text() + SCRIPT)
    found = seen(opened, tmp_path)
    opened.unlink()
    assert (found.console, found.urls) == ([], [])
    assert found.html.split('<pre id="told">')[1].split("</pre>")[0] == "js true"


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("page", ["reports", "reports/sample-grid", "reports/dataset"])
def test_no_page_logs_an_error_asks_a_network_or_scrolls_sideways_on_a_phone(
    page: str, done: Path, tmp_path: Path
) -> None:
    found = seen(done / page / "index.html", tmp_path)
    assert (found.console, found.urls) == ([], [])
    framed_html = framed(done / page / "index.html", tmp_path, 390).html
    assert framed_html.split("<pre>")[1].split("</pre>")[0] == "390 true"
