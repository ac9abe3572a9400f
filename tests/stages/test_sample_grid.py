"""The stage sample-grid: what it draws again and what it does not, and what it writes."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from pipeline.drawing.text_to_image import draw
from pipeline.errors import UserError
from pipeline.grid import renderer as cells
from stages import compose, report, sample_grid
from tests.conftest import ROOT
from tests.noting import noting
from tests.pipeline.vision.test_questioner import answering
from tests.pipeline.vision.tiny_vlm import write_joycaption
from tests.stages.project import make_project, outputs, run_all


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project in which every stage has run; the working folder."""
    folder = make_project(
        tmp_path_factory.mktemp("grid") / "project", sample_grid={"prompts": ["zib", "sky"]}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ATHANOR_STORE", str(folder / "store"))
        run_all()
        yield folder


@pytest.fixture
def project(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """`trained`, as it was."""
    monkeypatch.setenv("ATHANOR_STORE", str(trained / "store"))
    params = (trained / "params.yaml").read_text()
    yield trained
    (trained / "params.yaml").write_text(params)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures each call of `draw` makes."""
    numbers: list[int] = []
    monkeypatch.setattr(cells, "draw", noting(numbers, lambda _base, jobs, *_: len(jobs), draw))
    return numbers


def rerun(project: Path, **changes: Any) -> dict[str, bytes]:
    params = yaml.safe_load((project / "params.yaml").read_text())
    params["sample_grid"] |= changes
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    compose.main([])
    sample_grid.main([])
    return outputs(project)


def grid(project: Path) -> dict[str, Any]:
    return dict(json.loads((project / "reports/sample-grid/grid.json").read_text()))


def test_another_label_or_title_draws_nothing(project: Path, drawn: list[int]) -> None:
    before = outputs(project)
    after = rerun(project, labels={"epoch 1": "early"}, title="Zib")
    assert drawn == []
    assert grid(project)["rows"] == ["base alone", "early", "epoch 2"]
    assert before["reports/sample-grid/grid.png"] != after["reports/sample-grid/grid.png"]
    undone = rerun(project, labels={}, title="Sample grid")
    typed = "reports/recipe.json"  # tells of these two lines of params.yaml
    assert undone | {typed: b""} == before | {typed: b""}


def test_a_grid_of_kept_cells_is_laid_out_without_torch(project: Path) -> None:
    before = outputs(project)
    code = "import sys; from stages import sample_grid; sample_grid.main([]); print('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert ended.stdout.split() == ["False"]
    assert outputs(project) == before


def test_one_more_weight_draws_its_cells_alone(project: Path, drawn: list[int]) -> None:
    rerun(project, weights=[0.5, 0.7, 1.0])
    assert drawn == [4, 4]
    assert [cell["weight"] for cell in grid(project)["cells"]] == [0.0, 0.5, 0.7, 1.0, 0.5, 0.7, 1.0]


def test_killed_in_the_middle_it_goes_on_and_ends_with_the_same_bytes(
    project: Path, tmp_path: Path, drawn: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = rerun(project)
    assert drawn == []
    monkeypatch.setenv("ATHANOR_STORE", str(tmp_path / "empty"))
    counted: Any = vars(cells)["draw"]

    def killed(base: Any, jobs: Any, *rest: Any) -> Any:
        if len(drawn) == 3:
            raise KeyboardInterrupt
        return counted(base, jobs, *rest)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(cells, "draw", killed)
        sample_grid.main([])
    assert outputs(project) == whole
    assert drawn == [4, 4, 4]
    sample_grid.main([])
    assert drawn == [4] * 5
    assert outputs(project) == whole


def test_three_axes_with_every_file_and_row(project: Path) -> None:
    written = rerun(
        project, x="search_replace", x_values="sky, sea", y="network", y_values="all", z="guidance",
        z_values="1-3 (+2)",
    )  # fmt: skip
    found = grid(project)
    assert (found["sheets"], found["columns"]) == (["guidance 1", "guidance 3"], ["sky", "sea"])
    assert len(found["cells"]) == 12
    with (project / "reports/sample-grid/grid.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 48
    assert rows[0]["row_label"] == "base alone"
    assert {row["prompt"] for row in rows if row["column_label"] == "sea"} == {"zib", "sea"}
    for row in rows:
        assert f"reports/sample-grid/{row['file']}" in written
    page = written["reports/sample-grid/index.html"].decode()
    for cell in found["cells"]:
        assert cell["image"] in page
        assert f"reports/sample-grid/{cell['image']}" in written


def test_pictures_tell_what_they_were_drawn_with(project: Path) -> None:
    rerun(project)
    cell = grid(project)["cells"][1]
    with Image.open(project / "reports/sample-grid" / cell["pictures"][0]["file"]) as picture:
        text = picture.info["parameters"]
    assert text.startswith(
        "zib <lora:net-000001:0.5>\nSteps: 2, Sampler: DDIM, CFG scale: 7, Seed: 1, Size: 64x64"
    )


def test_a_second_pass_makes_larger_pictures(project: Path) -> None:
    rerun(project, weights=[1.0], second_pass_upscaler="latent", second_pass_steps=1)
    with Image.open(
        project / "reports/sample-grid" / grid(project)["cells"][1]["pictures"][0]["file"]
    ) as picture:
        assert picture.size == (128, 128)
        assert "Hires upscaler: Latent" in picture.info["parameters"]


def test_the_choice_has_its_evidence(project: Path) -> None:
    written = rerun(project)
    choice = json.loads(written["reports/sample-grid/choice.json"])
    ranking = json.loads(written["reports/sample-grid/ranking.json"])
    metrics = json.loads(written["metrics/sample_grid.json"])
    assert choice == {"file": ranking[0]["file"], "scored": True}
    assert len(ranking) == 4
    assert (metrics["cells"], metrics["pictures"]) == (5, 20)
    assert metrics["best"]["epoch"] == ranking[0]["epoch"]
    assert metrics["best"]["joint"] == ranking[0]["joint"]["value"]
    assert metrics["best"]["sides"] == ranking[0]["joint"]["sides"]
    assert ranking[0]["joint"] == json.loads(written["reports/sample-grid/verdict.json"])["joint"]
    assert ranking[0]["joint"]["missing"] == ["prompt", "retained", "quality"]
    assert {"subject", "prompt", "nearest_bits", "diversity"} <= metrics["base"].keys()
    lines = written["plots/sample-grid/scores.csv"].decode().splitlines()
    assert lines[0].startswith(
        "epoch,weight,subject,prompt,clip,identity,likeness,nearest_training,quality,blank"
    )
    assert len(lines) == 6


def test_without_a_tagger_the_last_epoch_is_chosen(project: Path) -> None:
    written = rerun(project, subject_tags=[])
    assert json.loads(written["reports/sample-grid/choice.json"]) == {
        "file": "net-000002.safetensors", "scored": False,
    }  # fmt: skip
    assert "subject" not in json.loads(written["metrics/sample_grid.json"])["best"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"x_values": "1-0.5 (+0.1)"}, "sample_grid.x_values: '1-0.5 .* goes away from the end"),
        ({"y_values": "1, 7"}, "epoch 7: no such file in models/network; there are 1, 2"),
    ],
)
def test_what_cannot_be_drawn_is_said_and_leaves_what_was_there(
    project: Path, changes: dict[str, Any], sentence: str
) -> None:
    before = rerun(project)
    with pytest.raises(UserError, match=sentence):
        rerun(project, **changes)
    after = outputs(project)
    assert {path for path in before if before[path] != after[path]} <= {
        "params.resolved.yaml",
        "reports/recipe.json",
    }


def verdict_of(written: dict[str, bytes]) -> dict[str, Any]:
    return dict(json.loads(written["reports/sample-grid/verdict.json"]))


def test_prompts_that_begin_with_a_word_of_no_caption_are_found(project: Path) -> None:
    assert verdict_of(rerun(project))["found"] == []
    [found] = verdict_of(rerun(project, prompts=["quolim, sky"]))["found"]
    assert found["kind"] == "trigger"
    assert found["sentence"].startswith(
        "the prompts begin with 'quolim', which no caption of the training has"
    )


def test_losses_on_held_out_pictures_are_evidence(project: Path) -> None:
    written = rerun(project, weights=[1.0])
    assert verdict_of(written)["held_out_loss"] is None
    curve = project / "plots/train/validation.csv"
    before = curve.read_text()
    rows = ["step,epoch,side,timestep,loss"]
    by_heart = 0.6, 0.1
    for epoch, held_out, training in ((0, 1.0, 1.0), (1, *by_heart), (2, *by_heart), (7, 0.4, 0.3)):
        for band in (100, 300, 500):
            rows += [
                f"{epoch},{epoch},held_out,{band},{held_out}",
                f"{epoch},{epoch},train,{band},{training}",
            ]
    try:
        curve.write_text("\n".join(rows))
        found = verdict_of(rerun(project, weights=[1.0]))
        curve.unlink()  # networks from elsewhere have no curve
        without = verdict_of(rerun(project, weights=[1.0]))
    finally:
        curve.write_text(before)
    assert [each["kind"] for each in found["found"]] == ["by_heart"]
    assert found["held_out_loss"]["epochs"]["7"] == {"100": 0.4, "300": 0.4, "500": 0.4}
    assert (without["found"], without["held_out_loss"]) == ([], None)


@pytest.mark.parametrize(
    "text", ["step\n1\n", "epoch,side\n1,train\n", "epoch,side,timestep,loss\n1,train,9,x\n"]
)
def test_damaged_losses_are_a_user_error(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert sample_grid.read_losses() is None
    sample_grid.VALIDATION_FILE.parent.mkdir(parents=True)
    sample_grid.VALIDATION_FILE.write_text(text)
    with pytest.raises(UserError, match=r"validation.csv is damaged .* `dvc repro -f train`"):
        sample_grid.read_losses()


def test_questions_are_answered_and_shown(project: Path) -> None:
    """Of every picture, by a tiny random model; without them everything is as it was."""

    def ran() -> dict[str, bytes]:
        for stage in (compose, sample_grid, report):
            stage.main([])
        return outputs(project)

    before = ran()
    answering(write_joycaption(project / "vlm"))
    params = yaml.safe_load((project / "params.yaml").read_text())
    params["vision"] = {"questioner": "vlm", "questioner_dtype": "fp32"}
    params["sample_grid"]["questions"] = ["is the picture green ?", "is it <red> ? no"]
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    ran()
    resolved = yaml.safe_load((project / "params.resolved.yaml").read_text())
    assert len(resolved["vision"]["questioner_sha256"]) == 64
    verdict = json.loads((project / "reports/sample-grid/verdict.json").read_text())
    rows = verdict["questions"]
    assert [(row["question"], row["expected"]) for row in rows] == [
        ("is the picture green ?", "yes"), ("is it <red> ?", "no"),
    ]  # fmt: skip
    mean = sum(row["base"] for row in rows) / 2
    assert verdict["base"]["answers"]["mean"] == pytest.approx(mean, abs=1e-3)  # both are rounded
    assert "answers" in [each["name"] for each in verdict["measures"]]
    text = (project / "reports/index.html").read_text()
    assert "<td>is it &lt;red&gt; ?<td>no<td" in text
    assert "Questions are answered rightly with" in text
    del params["vision"], params["sample_grid"]["questions"]
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    assert ran() == before
