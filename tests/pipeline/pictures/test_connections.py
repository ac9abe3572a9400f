"""Against hostile servers on this machine: slow ones, and such that lead inside."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest

from pipeline.pictures.connections import hosts, is_inside
from pipeline.pictures.downloads import Fetched, fetch
from pipeline.store.items import Items
from tests.pipeline.pictures.settings import settings
from tests.pipeline.pictures.test_downloads import PAGES

PICTURE = PAGES["/c"]


class Hostile(BaseHTTPRequestHandler):
    """/to?URL redirects there; /drip, /drip-head and /endless answer slowly; /later asks for a long pause."""

    asked: ClassVar[list[tuple[int, str]]] = []

    def do_GET(self) -> None:
        self.asked.append((self.server.server_port, self.path))  # type: ignore[attr-defined]
        what, _, target = self.path.partition("?")
        if what == "/to":
            self._head(302, Location=target)
        elif what == "/later":
            self._head(503, **{"Retry-After": "86400"})
        elif what == "/drip-head":
            self._drip(b"HTTP/1.0 200 OK\r\n" + b"X-A: b\r\n" * 1000)
        elif what in ("/drip", "/endless"):
            self._head(200, **({"Content-Length": str(len(PICTURE))} if what == "/drip" else {}))
            self._drip(PICTURE)
        else:
            self._head(200)
            self.wfile.write(PICTURE)

    def _head(self, code: int, **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _drip(self, data: bytes) -> None:
        for number in range(len(data)):
            try:
                self.wfile.write(data[number : number + 1])
            except OSError:
                return
            time.sleep(0.05)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hostile) as pages:
        pages.daemon_threads = True
        Thread(target=pages.serve_forever, daemon=True).start()
        yield pages.server_port
        pages.shutdown()


@pytest.fixture
def ports() -> Iterator[tuple[int, int]]:
    """Of a server that the user names, and of one inside that he does not."""
    Hostile.asked.clear()
    with ExitStack() as stack:
        yield stack.enter_context(serving()), stack.enter_context(serving())


def fetched(*urls: str, **changes: Any) -> list[Fetched]:
    return list(fetch(urls, settings(source="list.txt", **{"download_retries": 0, **changes})))


@pytest.mark.parametrize("page", ["drip", "drip-head", "endless"])
def test_a_slow_server_is_cut_off(page: str, ports: tuple[int, int]) -> None:
    begun = time.monotonic()
    (found,) = fetched(f"http://127.0.0.1:{ports[0]}/{page}", download_total_s=1, download_retries=3)
    assert found.error == "took longer than collect.download_total_s 1"
    assert time.monotonic() - begun < 10
    assert not [path for path in Items("downloads").folder.rglob("*") if path.is_file()]


def test_a_server_that_asks_for_a_day_is_not_waited_for(
    ports: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    (found,) = fetched(f"http://127.0.0.1:{ports[0]}/later", download_retries=1)
    assert "could not be fetched" in found.error
    assert max(slept) == 30.0


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1", "0.0.0.0", "2130706433"])
def test_a_redirect_inside_is_refused(host: str, ports: tuple[int, int]) -> None:
    named, inside = ports
    (found,) = fetched(f"http://127.0.0.1:{named}/to?http://{host}:{inside}/secret")
    assert "inside your own network (" in found.error
    assert [port for port, _ in Hostile.asked] == [named]


def test_a_redirect_to_a_place_that_the_list_names_is_followed(ports: tuple[int, int]) -> None:
    named, inside = ports
    first, second = fetched(
        f"http://127.0.0.1:{named}/to?http://127.0.0.1:{inside}/c", f"http://127.0.0.1:{inside}/other"
    )
    assert (first.error, second.error) == ("", "")
    (file,) = first.files.values()
    assert file.read_bytes() == PICTURE


def test_where_named_urls_lead() -> None:
    urls = ["http://A.org/x", "https://b.org:444/", "http://u:p@c.org:80/", "http://d.org:99999/"]
    assert hosts(urls) == {("a.org", 80), ("a.org", 443), ("b.org", 444), ("c.org", 80), ("c.org", 443)}


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("127.0.0.1", True), ("10.1.2.3", True), ("172.31.0.1", True), ("192.168.1.1", True),
        ("169.254.169.254", True), ("100.64.0.1", True), ("0.0.0.0", True), ("224.0.0.1", True),
        ("::1", True), ("fe80::1%eth0", True), ("fd00::1", True), ("::ffff:10.0.0.1", True),
        ("2002:7f00:1::", True), ("8.8.8.8", False), ("2606:4700::1111", False),
    ],
)  # fmt: skip
def test_which_addresses_are_inside(address: str, inside: bool) -> None:
    assert is_inside(address) is inside


def test_passwords_of_urls_are_neither_kept_nor_said(ports: tuple[int, int], tmp_path: Path) -> None:
    urls = [
        f"http://ann:s3cret@127.0.0.1:{ports[0]}/c?token=s3cret",
        "http://ann:s3cret@127.0.0.1:1/gone.png?api_key=s3cret",
    ]
    good, bad = fetched(*urls)
    assert good.url == f"http://***@127.0.0.1:{ports[0]}/c?token=***"
    assert "s3cret" not in f"{good}{bad}"
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]
    (again,) = fetched(f"http://bob:other@127.0.0.1:{ports[0]}/c?token=s3cret")
    assert again.files == good.files
