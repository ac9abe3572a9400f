"""/run in a real browser: start, watch, stop; the run outlives the server."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.workbench.runs.runs import Runs
from tests.conftest import ROOT
from tests.pipeline.workbench.conftest import until
from tests.pipeline.workbench.project_that_runs import make_project_that_runs, quiet
from tests.pipeline.workbench.server import Workbench, workbench

NAMELESS = """[...document.querySelectorAll('button, input, select, textarea')]
  .filter(each => each.checkVisibility())
  .filter(each => !each.textContent.trim() && !each.ariaLabel && !each.labels?.length)
  .map(each => each.id)"""


def runs_of(project: Path) -> Runs:
    return Runs(project / ".athanor/workbench/runs")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    folder = make_project_that_runs(tmp_path / "set")
    yield folder
    for run in runs_of(folder).all():
        if (pid := run.process) is not None:
            os.killpg(pid, 9)


def opened(page: Any, address: str) -> None:
    page.goto(address.replace("/?", "/run?"))
    until(page, "document.body.dataset.state === 'ready' && document.body.dataset.planned === 'yes'")


def shows(page: Any, selector: str, text: str) -> None:
    inside = "([where, text]) => document.querySelector(where).textContent.includes(text)"
    until(page, inside, [selector, text])


def start_all(page: Any) -> None:
    page.click("#start")
    page.click("#sure-yes")
    shows(page, "#numbers", "2 GB")


def test_a_run_is_started_watched_and_stopped(page: Any, server: Workbench, project: Path) -> None:
    opened(page, server.address)
    assert page.locator("#stages .level.changed").count() == 3
    page.click("#start")
    assert "Will run: first, train, last." in str(page.text_content("#sure-text"))
    page.click("#sure-yes")
    shows(page, "#log", "the first line")
    shows(page, "#log", "<img src=x onerror='window.__hit=1'>")
    shows(page, "#findings", "The loss blew up. Lower optimizer.lr.")
    shows(page, "#numbers", "1:35")
    until(page, "document.querySelectorAll('#curve polyline').length === 3")
    assert page.evaluate("window.__hit") is None
    shows(page, "#stages", "runs")
    page.click("#stop")
    shows(page, "#run-said", "kept")
    shows(page, "#phase", "stopped")
    shows(page, "#log", "kept what was trained so far")
    assert page.is_visible("#start")
    assert (project / "first.txt").exists()
    assert not (project / "last.txt").exists()


def test_an_event_is_on_the_page_soon_after_its_line(page: Any, server: Workbench, project: Path) -> None:
    opened(page, server.address)
    folder = project / "logs/critter"
    folder.mkdir(parents=True)
    times = list[float]()
    for number in range(1, 6):
        with (folder / "live.jsonl").open("a") as file:
            file.write(f'{{"step": {number}, "epoch": 1, "loss": 0.5}}\n')
        began = time.monotonic()
        until(page, "step => document.querySelector('#numbers dd')?.textContent === `${step}`", number)
        times.append(time.monotonic() - began)
    print(f"line to page: {[round(each, 2) for each in times]} s")
    assert min(times) < 1.5


def test_a_run_goes_on_when_the_server_is_killed_and_is_found_again(
    page: Any, server: Workbench, project: Path
) -> None:
    opened(page, server.address)
    start_all(page)
    page.goto("about:blank")
    server.kill()
    run = runs_of(project).newest()
    assert run is not None
    assert run.phase == "running"
    with workbench(project, "--port", str(server.port)) as again:
        opened(page, again.address)
        shows(page, "#phase", "runs")
        shows(page, "#log", "the first line")
        shows(page, "#findings", "The loss blew up.")
        page.click("#stop")
        shows(page, "#phase", "stopped")
        shows(page, "#run-said", "kept")
        page.goto("about:blank")


def test_sample_pictures_follow_the_epochs(page: Any, server: Workbench, project: Path) -> None:
    opened(page, server.address)
    folder = project / "logs/critter/samples"
    folder.mkdir(parents=True)
    picture = next((project / "data/cropped/pictures").rglob("*.png")).read_bytes()
    for name in ("00-000001.png", "01-000001.png", "00-000002.png", "01-000002.png"):
        (folder / name).write_bytes(picture)
    shows(page, "#sample-at", "2")
    assert page.locator("#samples img").count() == 2
    page.keyboard.press(",")
    shows(page, "#sample-at", "1")
    (folder / "00-000003.png").write_bytes(picture)
    until(page, "document.querySelector('#sample-epoch').max === '2'")
    assert page.text_content("#sample-at") == "1"  # held
    page.check("#follow")
    shows(page, "#sample-at", "3")
    until(page, "document.querySelector('#samples img').naturalWidth === 256")


@pytest.mark.parametrize("width", [390, 1400, 2560])
def test_nothing_is_wider_than_the_page(page: Any, server: Workbench, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    opened(page, server.address)
    start_all(page)
    assert page.evaluate("document.querySelector('.run').scrollWidth <= innerWidth")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    nameless = "[...document.querySelectorAll('button, input, select, textarea')].filter(each =>"
    nameless += (
        " each.checkVisibility() && !each.textContent.trim() && !each.ariaLabel && !each.labels?.length)"
    )
    assert page.evaluate(f"{nameless}.map(each => each.id)") == []


def test_decisions_are_committed_by_a_second_click(page: Any, server: Workbench, project: Path) -> None:
    (project / "staged.txt").write_text("mine")
    quiet(project, "git", "add", "staged.txt")
    (project / "data/left_out.yaml").write_text("zib/critter-00003: bad <b>quality</b>\n")
    opened(page, server.address)
    shows(page, "#top-uncommitted", "1 uncommitted decision")
    shows(page, "#commit-box", "1 picture left out")
    assert page.input_value("#commit-message") == "1 picture left out"
    page.click("#commit")
    assert page.is_visible(".diff .plus")
    assert "bad <b>quality</b>" in str(page.text_content(".diff .plus"))
    assert quiet(project, "git", "log", "--format=%s").splitlines() == ["Begin"]
    page.click("#commit")
    shows(page, "#commit-box", "all committed")
    assert quiet(project, "git", "log", "--format=%s").splitlines() == ["1 picture left out", "Begin"]
    assert "A  staged.txt" in quiet(project, "git", "status", "--porcelain")
    until(page, "document.querySelector('#top-uncommitted').hidden")


def test_every_page_says_what_runs(page: Any, server: Workbench, project: Path) -> None:
    opened(page, server.address)
    start_all(page)
    page.goto(f"http://127.0.0.1:{server.port}/gate")
    shows(page, "#top-run", "train · ")
    shows(page, "#top-run", "1:35")
    assert page.text_content("#top-name") == "critter"
    assert page.text_content("#top-branch") == "main"


def test_the_queue_is_filled_ordered_and_run_by_hand(page: Any, server: Workbench, project: Path) -> None:
    """Its jobs fail at once here: the project has no settings to compose."""
    for name in ("conf", "params.yaml"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, project / name)
    opened(page, server.address)
    refused = server.post("/api/queue/add", overrides=["network.dim=none"])
    assert (refused.status, "network.dim" in refused.json["error"]) == (422, True)
    for number, overrides in enumerate(("network.dim=8", "optimizer.lr=1e-4 train.epochs=2", ""), 1):
        page.fill("#queue-overrides", overrides)
        page.press("#queue-overrides", "Enter")
        until(page, "number => document.querySelectorAll('#queue li').length === number", number)
    jobs = "[...document.querySelectorAll('#queue li')].map(each => each.dataset.job).join(' ')"
    assert page.evaluate(jobs) == "q1-dim-8 q2-lr-1e-4-epochs-2 q3-as-is"
    page.focus("#queue li[data-job='q3-as-is']")
    page.keyboard.press("Alt+ArrowUp")
    until(page, f"{jobs} === 'q1-dim-8 q3-as-is q2-lr-1e-4-epochs-2'")
    page.keyboard.press("Alt+ArrowUp")
    until(page, f"{jobs} === 'q3-as-is q1-dim-8 q2-lr-1e-4-epochs-2'")
    assert page.evaluate("document.activeElement.dataset.job") == "q3-as-is"
    page.click("button[aria-label='q3-as-is down']")
    until(page, f"{jobs} === 'q1-dim-8 q3-as-is q2-lr-1e-4-epochs-2'")
    page.click("button[aria-label='remove q3-as-is']")
    until(page, f"{jobs} === 'q1-dim-8 q2-lr-1e-4-epochs-2'")
    page.uncheck("#goes-on")
    page.click("#queue-switch")
    until(page, "document.querySelector('#queue .level.failed') !== null")
    until(page, "document.querySelector('#queue-switch').textContent === 'Run the queue'")
    assert page.locator("#queue .level.waiting").count() == 1
    shows(page, "#phase", "failed")
    said = (project / ".athanor/workbench/queue.jsonl").read_text().splitlines()
    assert [json.loads(line)["job"]["state"] for line in said[1:]] == ["failed", "waiting"]
