"""/: what to do next, from the files as they are."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.config.graph_file import StageEntry
from pipeline.workbench.stale import is_same, stale_of
from tests.pipeline.workbench.conftest import until
from tests.pipeline.workbench.sample_grid import make_grid
from tests.pipeline.workbench.server import Workbench, workbench
from tests.pipeline.workbench.test_pages import faults

STAGES = {
    "compose": StageEntry((), ("params.yaml",), ("params.resolved.yaml",)),
    "collect": StageEntry(("collect",), ("data/left_out.yaml",), ("data/collected",)),
    "crop": StageEntry(("crop",), ("data/collected",), ("data/cropped", "reports/crop")),
    "grid": StageEntry(("sample_grid",), ("data/cropped",), ("reports/sample-grid",)),
    "merge": StageEntry(("merge",), ("reports/sample-grid/choice.json",), ("models/merged",)),
}
RESOLVED = {
    "collect": {"source": "photos"}, "crop": {"resolution": 512}, "sample_grid": {"steps": 20},
    "merge": {"epoch": "best"}, "code": {"crop": "abc"},
}  # fmt: skip


def locked() -> dict[str, Any]:
    """dvc.lock of a run with these settings; data/left_out.yaml holds `{}`."""
    digest = hashlib.md5(b"{}\n", usedforsecurity=False).hexdigest()
    made = {name: f"{name}.dir" for name in STAGES}
    deps = {
        "compose": [], "collect": [{"path": "data/left_out.yaml", "md5": digest}],
        "crop": [{"path": "data/collected", "md5": made["collect"]}],
        "grid": [{"path": "data/cropped", "md5": made["crop"]}],
        "merge": [{"path": "reports/sample-grid/choice.json", "md5": "c"}],
    }  # fmt: skip
    params = {name: {group: RESOLVED[group] for group in entry.groups} for name, entry in STAGES.items()}
    params["crop"]["code.crop"] = "abc"  # type: ignore[assignment]
    return {
        name: {
            "deps": deps[name],
            "params": {"params.resolved.yaml": params[name]},
            "outs": [{"path": path, "md5": made[name]} for path in entry.outs],
        }
        for name, entry in STAGES.items()
    }


@pytest.fixture
def decided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = Path("data/left_out.yaml")
    path.parent.mkdir()
    path.write_text("{}\n")
    return path


def test_a_run_that_nobody_has_touched_is_up_to_date(decided: Path) -> None:
    assert stale_of(STAGES, locked(), RESOLVED) == []


def test_a_setting_a_decision_code_and_another_result_make_their_stage_and_the_next_ones_stale(
    decided: Path,
) -> None:
    assert stale_of(STAGES, locked(), {**RESOLVED, "merge": {"epoch": "voted"}}) == ["merge"]
    assert stale_of(STAGES, locked(), {**RESOLVED, "code": {"crop": "new"}}) == ["crop", "grid", "merge"]
    other = locked()
    other["crop"]["outs"][0]["md5"] = "of another run"
    assert stale_of(STAGES, other, RESOLVED) == ["grid", "merge"]
    decided.write_text("zib/1: blurred\n")
    assert stale_of(STAGES, locked(), RESOLVED) == ["collect", "crop", "grid", "merge"]
    assert stale_of(STAGES, {}, RESOLVED) == list(STAGES)
    Path("params.yaml").write_text("seed: 1\n")
    decided.write_text("{}\n")
    composed = locked()
    composed["compose"]["deps"] = [{"path": "params.yaml", "md5": "another"}]
    assert stale_of(STAGES, composed, RESOLVED) == ["compose"]


def test_values_of_dvc_lock_are_those_that_dvc_wrote() -> None:
    """DVC writes `off` and `1e-08` without quotes."""
    locked = yaml.safe_load("checks: {no_face: off, blur: warn}\neps: 1e-08\nsizes: [1, 2.5]\n")
    assert locked["checks"]["no_face"] is False
    now: dict[str, Any] = {"checks": {"no_face": "off", "blur": "warn"}, "eps": 1e-8, "sizes": [1, 2.5]}
    assert is_same(locked, now)
    for other in (
        {"eps": 1e-7}, {"sizes": [1]}, {"sizes": [1, 2]}, {"checks": {"no_face": "on", "blur": "warn"}},
        {"checks": {"no_face": "off"}},
    ):  # fmt: skip
        assert not is_same(locked, {**now, **other})
    assert not is_same(False, "warn")
    assert not is_same("1e", 1.0)


def test_each_line_leads_to_the_page_where_it_is_decided(project: Path) -> None:
    faults(project)
    make_grid(project)
    (project / "dvc.yaml").write_text("stages:\n  train:\n    cmd: x\n    deps: [data/cropped]\n")
    with workbench(project) as server:
        assert server.post("/api/edits", ids=["zib/critter-00001"], kind="set", text="").status == 200
        found = {line["kind"]: line for line in server.get("/api/home")["lines"]}
    assert found["faults"]["text"] == "3 faults to decide"
    assert found["near"]["text"] == "1 near duplicate to decide"
    assert found["stages"]["text"] == "1 stage is out of date: train"
    assert found["votes"]["text"] == "no votes on this grid yet"
    links = [found[kind]["link"] for kind in ("faults", "near", "stages", "votes")]
    assert links == ["/gate", "/gate", "/run", "/grid"]
    assert "git" not in found


def test_decisions_that_git_does_not_hold_are_named(project: Path) -> None:
    for command in (["init", "-q"], ["add", "data/left_out.yaml", "data/waivers.yaml"]):
        subprocess.run(["git", *command], cwd=project, check=True)
    author = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", *author, "commit", "-qm", "a"], cwd=project, check=True)
    (project / "data/left_out.yaml").write_text("zib/critter-00001: blurred\n")
    with workbench(project) as server:
        (line,) = [each for each in server.get("/api/home")["lines"] if each["kind"] == "git"]
    assert "data/left_out.yaml" in line["text"]
    assert "data/waivers.yaml" not in line["text"]


def test_a_damaged_decision_is_a_line_and_the_others_still_come(project: Path) -> None:
    faults(project)
    (project / "data/votes.yaml").write_text("epoch 1: best\n")
    make_grid(project)
    with workbench(project) as server:
        lines = server.get("/api/home")["lines"]
    assert [line["text"] for line in lines if line["kind"] == "wrong"]
    assert "is not a vote" in str(lines)


def run_outputs(project: Path) -> None:
    """What the report's verdict is made of."""
    best = {"subject": 1.0, "prompt": 0.9, "clip": None, "sharpness": 100.0, "colours": 30.0, "clipped": 0.0,
            "blank": 0, "copies": 0, "diversity": 20.0}  # fmt: skip
    row = {"file": "zib-2", "epoch": 2, "weight": 1.0, "total": 1.9, "against": [], "figures": best}
    base = {**best, "subject": 0.0, "prompt": 0.3}
    (project / "metrics").mkdir()
    for name, value in (
        ("reports/sample-grid/choice.json", {"file": "zib-2", "scored": True}),
        ("reports/sample-grid/ranking.json", [row]),
        ("reports/sample-grid/verdict.json", {"sentences": [], "base": {}, "decided_by": None}),
        ("metrics/sample_grid.json", {"cells": 4, "pictures": 16, "base": base}),
        ("metrics/train.json", {}),
    ):
        (project / name).write_text(json.dumps(value))


def test_the_page_shows_the_proposed_pictures_first_and_keys_open_a_line(
    page: Any, project: Path, server: Workbench
) -> None:
    faults(project)
    make_grid(project)
    run_outputs(project)
    page.goto(f"http://127.0.0.1:{server.port}/")
    until(page, "document.body.dataset.state === 'ready'")
    assert page.text_content("#home-word") == "It has learned"
    assert page.text_content("#home-file") == "Proposed: zib-2 at 1"
    sources = [f"/picture/{digest}/320" for digest in server.get("/api/home")["proposed"]["pictures"]]
    assert len(sources) == 4
    keys = list(server.get("/api/grid")["places"][2]["pictures"].items())
    by_key = {handle: key for key, handle in keys}
    shown = [by_key[source.split("/")[2]] for source in sources]
    assert shown == ["1-7", "2-7", "1-8", "2-8"]
    assert [each.get_attribute("src") for each in page.locator("#home-strip img").all()] == sources
    until(page, "[...document.querySelectorAll('#home-strip img')].every(each => each.naturalWidth === 64)")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/gate")
    page.go_back()
    until(page, "document.body.dataset.state === 'ready'")
    for _ in range(3):
        page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/grid")


def judged(project: Path) -> None:
    """The grid and ranking as the stage writes them, with two places."""
    how = {
        "negative_prompt": "", "sampler": "ddim", "steps": 4, "guidance": 5.0, "width": 64, "height": 64,
        "clip_skip": 1, "second_pass": None, "checkpoint": None, "merge": None, "block_weights": None,
    }  # fmt: skip
    grid_file = project / "reports/sample-grid/grid.json"
    content = json.loads(grid_file.read_text())
    content["cells"] = [{**how, "sheet": 0, "weight": 1.0, **cell} for cell in content["cells"]]
    grid_file.write_text(json.dumps(content))
    ranking_file = project / "reports/sample-grid/ranking.json"
    (row,) = json.loads(ranking_file.read_text())
    row |= {"measures": {"subject": {"mean": 0.8}}, "lost": [], "equal": True}
    ranking_file.write_text(json.dumps([row, {**row, "file": "zib-1", "epoch": 1, "equal": False}]))
    subject = {"name": "subject", "title": "subject", "meaning": "", "is_share": True}
    verdict = {"sentences": ["Take epoch 2."], "base": {}, "decided_by": "subject", "measures": [subject]}
    (project / "reports/sample-grid/verdict.json").write_text(json.dumps(verdict))


def test_the_verdict_comes_with_the_reports_pictures(page: Any, project: Path, server: Workbench) -> None:
    make_grid(project)
    run_outputs(project)
    judged(project)
    four = server.get("/api/home")["four"]
    assert [(each["role"], each["place"], each["notes"]) for each in four] == [
        ("The base alone", "", []),
        ("Proposed, the strongest", "epoch 2 at weight 1", ["subject 80%"]),
        ("Next best", "epoch 1 at weight 1", ["subject 80%"]),
    ]
    page.goto(f"http://127.0.0.1:{server.port}/")
    until(page, "document.body.dataset.state === 'ready'")
    until(page, "[...document.querySelectorAll('#home-four img')].every(each => each.naturalWidth === 64)")
    assert page.locator("#home-four figure").count() == 3
    assert page.text_content("#home-sentences li") == "Take epoch 2."
    assert page.locator("#home-strip img").count() == 0


def test_before_the_first_grid_the_set_itself_is_shown(page: Any, server: Workbench) -> None:
    page.goto(f"http://127.0.0.1:{server.port}/")
    until(page, "document.body.dataset.state === 'ready'")
    assert page.text_content("#home-word") == "Nothing is trained yet"
    assert page.locator("#home-strip a[href='/data']").count() == 12
    assert page.text_content("#home-lines").startswith("Nothing is waiting")
