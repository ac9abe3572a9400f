"""Against a real server on this machine."""

import io
import os
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest
from PIL import Image

from pipeline.errors import UserError
from pipeline.pictures.downloads import read_list
from pipeline.pictures.folders import Findings
from pipeline.pictures.sources import find
from pipeline.store.items import Items
from tests.pipeline.pictures.settings import settings


def picture(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 90).save(buffer, kind)
    return buffer.getvalue()


PAGES = {
    "/a%20b.png": picture("PNG"),
    "/c": picture("JPEG"),
    "/big.png": bytes(3 << 20),
    "/page.jpg": b"<html>",
}


class Pages(BaseHTTPRequestHandler):
    """PAGES; /busy.png fails twice first, all else is not there."""

    asked: ClassVar[Counter[str]] = Counter()

    def do_GET(self) -> None:
        self.asked[self.path] += 1
        busy = self.path == "/busy.png" and self.asked[self.path] < 3
        data = PAGES["/c"] if self.path == "/busy.png" else PAGES.get(self.path.partition("?")[0])
        self.send_response(503 if busy else 200 if data else 404)
        self.send_header("Content-Type", "text/html" if self.path == "/page.jpg" else "image/png")
        self.end_headers()
        self.wfile.write(b"" if busy else data or b"")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Pages.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as pages:
        thread = Thread(target=pages.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{pages.server_port}"
        pages.shutdown()
        thread.join()


def found(tmp_path: Path, urls: list[str], **changes: Any) -> Findings:
    (tmp_path / "5_zib.txt").write_text("\n".join(["# my list", "", *urls, "  "]))
    work = tmp_path / f"work-{len(list(tmp_path.iterdir()))}"
    return find(settings(source=str(tmp_path / "5_zib.txt"), download_limit_mib=1, **changes), work)


def test_pictures_are_named_by_url_and_content(tmp_path: Path, server: str) -> None:
    urls = [f"{server}/a%20b.png", f"{server}/c"]
    findings = found(tmp_path, urls)
    assert (findings.problems, findings.faults) == ([], [])
    by_url = {item.origin["url"]: item for item in findings.pictures}
    assert by_url[urls[0]].id.startswith("zib/a-b-")
    assert by_url[urls[1]].path.suffix == ".jpg"
    assert [by_url[url].path.read_bytes() for url in urls] == [PAGES["/a%20b.png"], PAGES["/c"]]
    assert {item.repeats for item in findings.pictures} == {5}


def test_what_was_fetched_is_never_fetched_again(tmp_path: Path, server: str) -> None:
    first = found(tmp_path, [f"{server}/c?v=1", f"{server}/c?v=2"])
    second = found(tmp_path, [f"{server}/c?v=1", f"{server}/c?v=2", f"{server}/c?v=3"])
    assert Pages.asked == {"/c?v=1": 1, "/c?v=2": 1, "/c?v=3": 1}
    assert {item.id for item in first.pictures} < {item.id for item in second.pictures}


def test_a_busy_server_is_asked_again(tmp_path: Path, server: str) -> None:
    assert len(found(tmp_path, [f"{server}/busy.png"]).pictures) == 1
    assert Pages.asked["/busy.png"] == 3


def test_all_that_fails_is_told_and_nothing_of_it_is_kept(tmp_path: Path, server: str) -> None:
    urls = [f"{server}/gone.png", f"{server}/big.png", f"{server}/page.jpg", "http://127.0.0.1:1/a.png"]
    findings = found(tmp_path, [*urls, f"{server}/c"], download_retries=0)
    assert len(findings.pictures) == 1
    told = {fault.where: fault.sentence for fault in findings.faults if fault.check == "download"}
    assert list(told) == urls
    assert "404" in told[urls[0]]
    assert told[urls[1]] == "more than collect.download_limit_mib 1"
    assert told[urls[2]] == "the answer is no picture (text/html)"
    assert "could not be fetched" in told[urls[3]]
    assert len([path for path in (tmp_path / "store/downloads").rglob("*") if path.is_file()]) == 1


def test_lines_that_are_no_urls_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("http://x/a\nfile:///etc/passwd\nhttp://x/a\ncat.png\n")
    with pytest.raises(UserError) as error:
        read_list(tmp_path / "a.txt")
    assert [problem.partition(": ")[2][:6] for problem in error.value.problems] == [
        "line 2",
        "line 3",
        "line 4",
    ]


def test_gallery_dl_brings_pictures_and_their_tags(tmp_path: Path, server: str) -> None:
    findings = found(tmp_path, [f"{server}/a%20b.png"], downloader="gallery-dl")
    assert (findings.problems, findings.faults) == ([], [])
    (item,) = findings.pictures
    assert item.path.read_bytes() == PAGES["/a%20b.png"]
    assert item.origin == {"url": f"{server}/a%20b.png"}
    assert len(found(tmp_path, [f"{server}/a%20b.png"], downloader="gallery-dl").pictures) == 1
    assert Pages.asked["/a%20b.png"] == 1


def test_what_gallery_dl_cannot_fetch_is_told(tmp_path: Path, server: str) -> None:
    (fault,) = found(tmp_path, [f"{server}/gone.png"], downloader="gallery-dl", download_retries=0).faults
    assert fault.check == "download"
    assert "gallery-dl ended with code" in fault.sentence


def test_gallery_dl_must_be_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="pip install gallery-dl"):
        found(tmp_path, ["http://127.0.0.1:1/a.png"], downloader="gallery-dl")


@pytest.mark.parametrize("content", [b"", PAGES["/c"][:100], bytes(len(PAGES["/c"]))])
def test_a_damaged_download_is_fetched_again(content: bytes, tmp_path: Path, server: str) -> None:
    found(tmp_path, [f"{server}/c"])
    (kept,) = (path for path in Items("downloads").folder.rglob("*") if path.is_file())
    status = kept.stat()
    kept.write_bytes(content)
    os.utime(kept, ns=(status.st_atime_ns, status.st_mtime_ns))
    (again,) = found(tmp_path, [f"{server}/c"]).pictures
    assert again.path.read_bytes() == PAGES["/c"]
    assert Pages.asked == {"/c": 2}
