"""What the workbench's user waits for: `python -m benchmarks.workbench [--pictures 5000]`.

Makes a project with so many pictures and 40 tags each, starts a workbench over it, and measures the server by
its answers and the pages in a headless Chromium (without a GPU). Each line has the goal for an idle machine
with two cores; times are of the wall.
"""

import argparse
import importlib.util
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.many_pictures import ROOT, make_set
from pipeline.typed_numbers import whole_number

MOST_WAIT_S = 120
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PAINT = """() => new Promise(done => {
  const look = () => {
    const images = [...document.querySelectorAll('.cell:not([hidden]) img')];
    if (images.length && images.every(image => image.complete)) done(performance.now());
    else requestAnimationFrame(look);
  };
  look();
})"""
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
SCROLL = """() => new Promise(done => {
  const grid = document.getElementById('grid'), frames = [], tasks = [];
  let before = performance.now(), most = 0;
  new PerformanceObserver(list => tasks.push(...list.getEntries().map(each => each.duration))).
    observe({entryTypes: ['longtask']});
  const step = now => {
    frames.push(now - before);
    before = now;
    most = Math.max(most, document.querySelectorAll('.cell').length);
    grid.scrollTop += 60;
    if (frames.length < 300) requestAnimationFrame(step);
    else done({frames: frames.slice(20), most, tasks});
  };
  requestAnimationFrame(step);
})"""
FILTER = """query => new Promise(done => {
  const count = document.getElementById('count'), field = document.getElementById('q');
  const began = performance.now();
  new MutationObserver((_, self) => {
    self.disconnect();
    requestAnimationFrame(() => done(performance.now() - began));
  }).observe(count, {childList: true});
  field.value = query;
  field.dispatchEvent(new Event('input'));
})"""
KEY = """() => new Promise(done => {
  const stage = document.getElementById('cull-stage'), old = stage.querySelector('img');
  const began = performance.now();
  stage.dispatchEvent(new KeyboardEvent('keydown', {key: 'k', bubbles: true}));
  const look = () => {
    const image = stage.querySelector('img');
    if (image !== old && image.complete) done(performance.now() - began);
    else requestAnimationFrame(look);
  };
  look();
})"""


class Server:
    """Over the project in a folder."""

    def __init__(self, folder: Path) -> None:
        began = time.perf_counter()
        command = [sys.executable, "-m", "pipeline.workbench", "--no-browser", "--port", "0"]
        environment = {
            "PYTHONPATH": str(ROOT),
            "PATH": "/usr/bin:/bin",
            "ATHANOR_STORE": str(folder / "store"),
        }
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        self.listens_s = time.perf_counter() - began
        self.root = self.address.split("/?")[0]
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        self.opener.open(self.address).read()
        self.answers_s = time.perf_counter() - began

    def ask(self, path: str, body: Any = None) -> tuple[Any, float]:
        """The answer, and its seconds."""
        headers = {"Content-Type": "application/json", "X-Athanor": "1", "Origin": self.root}
        data = None if body is None else json.dumps(body).encode()
        began = time.perf_counter()
        with self.opener.open(urllib.request.Request(self.root + path, data, headers)) as answer:
            text = answer.read()
        return json.loads(text), time.perf_counter() - began

    def memory_mb(self) -> float:
        lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


@contextmanager
def chromium_page() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": 1400, "height": 900})
        browser.close()


def line(name: str, value: str, goal: str) -> None:
    print(f"{name:<46} {value:>22}   goal {goal}", flush=True)


def measure_server(server: Server) -> None:
    line("start to listening", f"{server.listens_s:.2f} s", "< 1 s")
    line("start to the first page", f"{server.answers_s:.2f} s", "-")
    _, seconds = server.ask("/api/pictures")
    line("index of all pictures", f"{1000 * seconds:.0f} ms", "< 15 s at 50000")
    line("memory with the index", f"{server.memory_mb():.0f} MB", "-")
    began = time.perf_counter()
    while (stale := server.ask("/api/filter")[0]["stale"]) and time.perf_counter() - began < MOST_WAIT_S:
        time.sleep(2)
    line("captions written in the background", f"{time.perf_counter() - began:.1f} s, {stale} left", "-")
    line("memory with all captions", f"{server.memory_mb():.0f} MB", "< 120 MB at 5000, 500 MB at 50000")


def measure_answers(server: Server) -> None:
    ids = server.ask("/api/pictures")[0]["ids"]
    for query in ("tag:smile", "tag:%22tag%201*%22%20-tag:smile", "tags:%3C20"):
        times = [server.ask(f"/api/filter?q={query}")[1] for _ in range(5)]
        line(f"answer of a filter {query}", f"{1000 * statistics.median(times):.0f} ms", "< 30 ms")
    one = {"ids": ids[7:8], "kind": "set", "text": "zibbo, one"}
    _, seconds = server.ask(
        "/api/preview", {**one, "ids": ids[:20], "kind": "add", "tags": ["x"], "text": ""}
    )
    line("preview of 20 captions", f"{1000 * seconds:.0f} ms", "< 150 ms")
    many = {"ids": ids, "kind": "add", "tags": ["of all of them"]}
    line("preview of an action on all", f"{1000 * server.ask('/api/preview', many)[1]:.0f} ms", "-")
    line(f"bulk edit of {len(ids)} captions", f"{server.ask('/api/edits', many)[1]:.2f} s", "< 1 s at 5000")
    times = [server.ask("/api/edits", {**one, "text": f"zibbo, {n}"})[1] for n in range(5)]
    line(
        "one caption edit saved, of as many entries", f"{1000 * statistics.median(times):.0f} ms", "< 100 ms"
    )
    for _ in times:
        server.ask("/api/undo", {})
    line("undo of the bulk edit", f"{1000 * server.ask('/api/undo', {})[1]:.0f} ms", "-")


def measure_pages(server: Server) -> None:
    with chromium_page() as page:
        page.goto(server.address)
        page.goto(f"{server.root}/data")
        page.evaluate(PAINT)
        page.reload()  # with thumbnails made
        line("first grid on the screen, warm", f"{page.evaluate(PAINT):.0f} ms", "< 700 ms")
        line("first paint, warm", f"{page.evaluate(FIRST_PAINT):.0f} ms", "< 300 ms")
        for _ in range(5 * MOST_WAIT_S):
            if "writing" in page.text_content("#count"):
                page.wait_for_timeout(200)
        page.evaluate(SCROLL)
        page.evaluate("document.getElementById('grid').scrollTop = 0")
        seen = page.evaluate(SCROLL)
        frames = sorted(seen["frames"])
        line(
            "scroll: frame, median and 95%",
            f"{statistics.median(frames):.1f}, {frames[-len(frames) // 20]:.1f} ms",
            "16.7 ms",
        )
        line("scroll: long tasks over 50 ms of 300 steps", str(len(seen["tasks"])), "0")
        line("scroll: most pictures in the document", str(seen["most"]), "<= 400")
        page.evaluate("document.getElementById('grid').scrollTop = 0")
        times = [page.evaluate(FILTER, query) for query in ("tag:smile", "-tag:smile", "tags:<20", "")]
        line(
            "filter: from the last key to pixels",
            f"{statistics.median(times):.0f} ms",
            "< 100 ms (12 ms are a pause)",
        )
        page.focus("#grid")
        page.keyboard.press("c")
        page.wait_for_selector("#cull-stage img")
        page.wait_for_timeout(1000)
        keys = []
        for _ in range(15):
            keys.append(page.evaluate(KEY))
            page.wait_for_timeout(120)
        line("cull: from a key to the next picture", f"{statistics.median(keys):.0f} ms", "< 50 ms")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workbench")
    parser.add_argument("--pictures", type=whole_number(1), default=5000)
    number = parser.parse_args().pictures
    with tempfile.TemporaryDirectory() as folder:
        server = Server(make_set(Path(folder) / "set", number))
        try:
            print(f"{number} pictures, 40 tags each")
            measure_server(server)
            if CHROMIUM and importlib.util.find_spec("playwright"):
                measure_pages(server)
            else:
                print("no Chromium or no Playwright: the pages are not measured")
            measure_answers(server)
        finally:
            server.close()


if __name__ == "__main__":
    main()
