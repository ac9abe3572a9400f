"""Debian's Chromium, driven by Playwright: skipped with a reason where it is missing, required in CI."""

import importlib.util
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.many_pictures import make_set
from tests.pipeline.workbench.server import Workbench, workbench

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MISSING = next(
    (
        name
        for name, is_there in (
            ("playwright (pip install playwright)", importlib.util.find_spec("playwright") is not None),
            ("chromium (apt install chromium)", CHROMIUM is not None),
        )
        if not is_there
    ),
    None,
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if MISSING:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no {MISSING}: the pages are not tested")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        made = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield made
        made.close()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_set(tmp_path / "set", 60, tags_each=8, identity_lists=[])


@pytest.fixture
def server(project: Path) -> Iterator[Workbench]:
    with workbench(project) as made:
        yield made


@pytest.fixture
def page(browser: Any, server: Workbench) -> Iterator[Any]:
    """/data, ready; a request to anywhere else, an error of a script or in the console fails the test."""
    context = browser.new_context(viewport={"width": 1400, "height": 900}, reduced_motion="reduce")
    wrong = list[str]()

    def look(route: Any) -> None:
        if route.request.url.startswith((f"http://127.0.0.1:{server.port}/", "about:blank")):
            route.continue_()
        else:
            wrong.append(route.request.url)
            route.abort()

    context.route("**/*", look)
    made = context.new_page()
    made.on(
        "response",
        lambda got: wrong.append(f"{got.status} {got.url}") if got.status in (404, 415, 422) else None,
    )
    made.on("pageerror", lambda error: wrong.append(str(error)))
    made.on(
        "console",
        lambda line: wrong.append(line.text) if line.type == "error" and "409" not in line.text else None,
    )
    made.goto(server.address)
    until(made, "document.body.dataset.state === 'ready'")
    made.goto(f"http://127.0.0.1:{server.port}/data")
    settled(made)
    yield made
    context.close()
    assert not wrong, wrong


def settled(page: Any) -> None:
    """The page is ready, with every caption written and shown."""
    until(page, "document.body.dataset.state === 'ready'")
    until(
        page,
        "document.querySelector('#count b') && !/writ/.test(document.querySelector('#count').textContent)",
    )
    until(page, "document.querySelector('.cell:not([hidden]), .empty') !== null")


def until(page: Any, expression: str, argument: Any = None) -> None:
    """Waits for it to hold. (Playwright's own wait evaluates a string, which the pages' policy forbids.)"""
    end = time.monotonic() + 60  # two browsers may share two cores with all other tests
    while not page.evaluate(expression, argument):
        assert time.monotonic() < end, f"{expression} with {argument}"
        page.wait_for_timeout(40)
