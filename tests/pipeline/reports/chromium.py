"""Pages in a real browser, from disk: what it logs, what it asks for, and the page as it stands then."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")


@dataclass(frozen=True)
class Seen:
    """The page's HTML once its scripts have run, lines that it wrote to the console, URLs that it asked
    for.
    """

    html: str
    console: list[str]
    urls: list[str]


PROBE = """<script>addEventListener('load', () => parent.postMessage([innerWidth,
document.documentElement.scrollWidth <= document.documentElement.clientWidth].join(' '), '*'))</script>"""
HOST = """<body><iframe src="{page}" style="width: {width}px; height: 844px; border: 0"></iframe><script>
const told = document.createElement('pre');
onmessage = event => {{ told.textContent = event.data; document.body.append(told); }};
</script>"""


def framed(page: Path, folder: Path, width_px: int) -> Seen:
    """Opens `page` in a frame of that width, for no window is narrower than 500 px. Below it stands, between
    <pre> and </pre>, its width, and whether nothing is wider.
    """
    copy = page.with_name("framed.html")
    copy.write_text(page.read_text(encoding="utf-8") + PROBE, encoding="utf-8")
    host = folder / "host.html"
    host.write_text(HOST.format(page=copy.resolve().as_uri(), width=width_px))
    try:
        return seen(host, folder)
    finally:
        copy.unlink()


def seen(page: Path, folder: Path, size: str = "1400,900") -> Seen:
    """Opens `page`; `folder` takes the browser's own files."""
    log = folder / "net.json"
    command = [str(CHROMIUM), *FLAGS, f"--window-size={size}", f"--user-data-dir={folder / 'profile'}",
               f"--log-net-log={log}", "--enable-logging=stderr", "--virtual-time-budget=3000", "--dump-dom",
               page.resolve().as_uri()]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    console = [line for line in ended.stderr.splitlines() if ":CONSOLE" in line]
    events = json.loads(log.read_text())["events"]
    asked = [event["params"] for event in events if "initiator" in event.get("params", {})]
    # The browser's own requests come from no page.
    urls = {each["url"] for each in asked if each["initiator"] != "not an origin"}
    return Seen(ended.stdout, console, sorted(url for url in urls if not url.startswith(("file:", "data:"))))
