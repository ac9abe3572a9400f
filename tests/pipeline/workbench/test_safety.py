"""Who may ask for what: every way in that is not the own page is refused."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.many_pictures import make_set
from pipeline.files.atomic import read_jsonl
from tests.pipeline.workbench.server import Workbench, workbench

WRITES = [
    "/api/preview",
    "/api/edits",
    "/api/leave-out",
    "/api/undo",
    "/api/redo",
    "/api/waive",
    "/api/crop",
    "/api/vote",
    "/api/run/start",
    "/api/run/stop",
    "/api/commit",
    "/api/queue/add",
    "/api/queue/job",
    "/api/queue/switch",
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_set(tmp_path_factory.mktemp("safety") / "set", 4)
    (folder / "reports/dataset").mkdir(parents=True)
    (folder / "reports/dataset/index.html").write_text("<p>a report")
    (folder / "reports/secret.txt").write_text("secret")
    (folder / "secret.png").write_text("secret")
    (folder / "reports/link.html").symlink_to("/etc/passwd")
    return folder


@pytest.fixture(scope="module")
def server(project: Path) -> Iterator[Workbench]:
    with workbench(project) as made:
        yield made


def decisions(project: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (project / "data").glob("*.yaml")}


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:{}", ""]
)
def test_another_name_for_this_machine_is_refused(server: Workbench, host: str) -> None:
    """DNS rebinding leads a browser here under another name."""
    headers = {"Host": host.format(server.port), "Cookie": server.cookie}
    assert server.ask("/data", headers=headers).status in (400, 421)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]"])
def test_own_names_are_answered(server: Workbench, name: str) -> None:
    headers = {"Host": f"{name}:{server.port}", "Cookie": server.cookie}
    assert server.ask("/data", headers=headers).status == 200


def test_it_listens_on_the_loopback_alone(server: Workbench) -> None:
    lines = Path("/proc/net/tcp").read_text().splitlines() if Path("/proc/net/tcp").exists() else []
    own = [line.split()[1] for line in lines[1:] if line.split()[1].endswith(f":{server.port:04X}")]
    listening = [line.split()[1] for line in lines[1:] if line.split()[3] == "0A" and line.split()[1] in own]
    assert listening == [f"0100007F:{server.port:04X}"] or not lines


@pytest.mark.parametrize(
    "path",
    [
        "/", "/data", "/gate", "/run", "/api/pictures", "/api/run/planned", "/api/queue", "/api/decisions",
        "/events", "/events?run", "/sample/0/1", "/static/data.js", "/nothing",
    ],
)  # fmt: skip
def test_nothing_is_shown_without_the_cookie(server: Workbench, path: str) -> None:
    for cookie in ("", "athanor=x", f"{server.cookie}x", f"athanor_{server.port}="):
        answer = server.ask(path, headers={"Cookie": cookie})
        assert answer.status == 401
        assert "python -m pipeline.workbench" in answer.json["error"]


def test_the_token_becomes_a_cookie_that_no_script_reads_and_leaves_the_address(server: Workbench) -> None:
    token = server.address.partition("token=")[2]
    answer = server.ask(f"/data?token={token}")
    assert answer.status == 302
    assert answer.headers["Location"] == "/data"
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(answer.headers["Set-Cookie"].split("; "))
    assert server.ask("/data?token=wrong").status == 401
    away = server.ask(f"//evil.example/?token={token}")
    assert away.headers["Location"].startswith("/evil")


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize(
    "wrong",
    [
        {"Origin": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"X-Athanor": ""},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
    ],
    ids=str,
)
def test_a_write_from_another_page_is_refused(
    server: Workbench, project: Path, path: str, wrong: dict[str, str]
) -> None:
    before = decisions(project)
    body = b'{"pictures": ["zib/critter-00000"], "reason": "bad quality"}'
    assert server.ask(path, "POST", body, {**server.own, **wrong}).status == 403
    assert decisions(project) == before


@pytest.mark.parametrize("path", WRITES)
def test_nothing_is_written_by_get(server: Workbench, path: str) -> None:
    assert server.ask(path, headers=server.own).status == 405


@pytest.mark.parametrize(
    "path",
    [
        "/static/..%2f__main__.py", "/static/../__main__.py", "/static/%2e%2e/safety.js",
        "/static//etc/passwd", "/static/data.js%00", "/picture/../../secret.png/full",
        "/picture/..%2f..%2fsecret.png/full",
        f"/picture/{'0' * 64}/full", f"/picture/{'0' * 64}/9999", "/secret.png", "/data/../secret.png",
        "/reports/x/index.html", "/../../etc/passwd", "/sample/0/1", "/sample/..%2f..%2fsecret/1",
    ],
)  # fmt: skip
def test_no_path_of_the_browser_reaches_a_file(server: Workbench, path: str) -> None:
    answer = server.ask(path, headers={"Cookie": server.cookie})
    assert answer.status in (400, 401, 404)
    assert b"secret" not in answer.body


def test_reports_need_a_ticket_and_are_a_list(server: Workbench, project: Path) -> None:
    page = server.ask("/data", headers={"Cookie": server.cookie}).body.decode()
    address = page.partition('href="/reports/')[2].partition("dataset/index.html")[0]
    there = server.ask(f"/reports/{address}dataset/index.html")
    assert there.body == b"<p>a report"
    assert there.headers["Content-Security-Policy"].startswith("sandbox allow-scripts;")
    for name in ("secret.txt", "../secret.png", "..%2f..%2fsecret.png", "%2fetc%2fpasswd", "link.html"):
        assert server.ask(f"/reports/{address}{name}").status == 404


def test_every_page_forbids_foreign_content(server: Workbench) -> None:
    for path in ("/data", "/crop", "/gate", "/run", "/api/pictures", "/static/data.js", "/nothing"):
        headers = server.ask(path, headers={"Cookie": server.cookie}).headers
        assert "default-src 'none'; script-src 'self'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/api/edits", b"[1]", "object"),
        ("/api/edits", b"{", "JSON"),
        ("/api/edits", b'{"ids": [], "kind": "burn"}', "kind"),
        ("/api/edits", b'{"ids": [], "kind": "add"}', "name a tag"),
        ("/api/leave-out", b'{"pictures": ["a"], "reason": "x", "path": "/etc"}', "path"),
        ("/api/leave-out", b'{"pictures": ["a"], "reason": "no"}', "needs a reason in words"),
        ("/api/waive", b'{"pictures": ["a"], "check": "unreadable", "reason": "fine"}', "cannot be waived"),
        ("/api/run/start", b'{"stage": "no such"}', "has no stage"),
        ("/api/run/start", b'{"stage": "--force"}', "has no stage"),
        ("/api/run/start", b'{"argv": ["id"]}', "argv"),
        ("/api/run/stop", b'{"run": 7, "step": 1}', "no run 7"),
        ("/api/run/stop", b'{"run": "../1", "step": 1}', "run"),
        ("/api/run/stop", b'{"run": 1, "step": 9}', "step"),
    ],
)
def test_a_wrong_body_is_a_sentence(
    server: Workbench, project: Path, path: str, body: bytes, said: str
) -> None:
    before = decisions(project)
    answer = server.ask(path, "POST", body, server.own)
    assert answer.status == 422
    assert said in answer.json["error"]
    assert decisions(project) == before


def test_a_huge_body_is_refused(server: Workbench) -> None:
    body = b'{"ids": ["' + b"x" * (9 << 20) + b'"], "kind": "reset"}'
    assert server.ask("/api/edits", "POST", body, server.own).status == 413


def test_read_only_shows_everything_and_writes_nothing(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(project, folder, symlinks=True, ignore=shutil.ignore_patterns(".athanor"))
    before = decisions(folder)
    with workbench(folder, "--read-only") as server:
        assert len(server.get("/api/pictures")["ids"]) == 4
        for path in WRITES:
            answer = server.post(path, pictures=["zib/critter-00000"], reason="bad quality")
            assert answer.status == 403
            assert "--read-only" in answer.json["error"]
        assert b'class="read-only"' in server.ask("/data", headers={"Cookie": server.cookie}).body
    assert decisions(folder) == before


def test_scripts_never_make_html_of_text() -> None:
    static = Path(__file__).parents[3] / "pipeline/workbench/static"
    for path in static.glob("*.js"):
        text = path.read_text()
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
        ):
            assert word not in text, f"{path.name}: {word}"
        assert "http" not in text.replace("http://www.w3.org/2000/svg", ""), path.name


def test_a_picture_is_sent_by_its_hash(server: Workbench, project: Path) -> None:
    row = next(iter(read_jsonl(project / "data/cropped/records.jsonl")))
    answer = server.ask(f"/picture/{row['sha256']}/full", headers={"Cookie": server.cookie})
    assert answer.body == (project / "data/cropped/pictures" / row["file"]).read_bytes()
    assert "immutable" in answer.headers["Cache-Control"]
    small = server.ask(f"/picture/{row['sha256']}/96", headers={"Cookie": server.cookie})
    assert small.headers["Content-Type"] == "image/webp"
    assert small.body[8:12] == b"WEBP"
