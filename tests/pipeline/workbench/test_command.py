"""The command: quick to start, one a checkout, and nothing lost when it is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.many_pictures import make_set
from pipeline.captions.edit_file import edits_of
from tests.pipeline.workbench.server import ROOT, started, workbench

HEAVY = ("torch", "lightning", "diffusers", "transformers", "hydra", "dvc", "cv2", "scipy")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_set(tmp_path / "set", 6)


def test_the_server_loads_nothing_heavy(project: Path) -> None:
    code = (
        "import sys; from pipeline.workbench.guard import Guard; from pipeline.workbench.serving import *;"
        "app = application(Guard.new(frozenset([1]), 1, False)); app[BOARD].refresh();"
        f"print(*(set({HEAVY}) & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=project, env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == []


def test_a_second_start_says_where_the_first_answers(project: Path) -> None:
    with workbench(project) as first:
        second = started(project, "--port", "0")
        out, error = second.communicate(timeout=30)
        assert (second.returncode, out.strip(), error) == (0, first.address, "")
    with workbench(project) as third:
        assert third.address != first.address


def test_the_address_with_the_token_is_its_owners(project: Path) -> None:
    with workbench(project):
        assert (project / ".athanor/workbench/address.json").stat().st_mode & 0o077 == 0
    assert not (project / ".athanor/workbench/address.json").exists()


def test_a_taken_port_and_a_wrong_folder_are_sentences(project: Path, tmp_path: Path) -> None:
    other = make_set(tmp_path / "other", 1)
    with workbench(project) as first:
        out, error = started(other, "--port", str(first.port)).communicate(timeout=30)
        assert out == ""
        assert f"port {first.port} is taken" in error
        assert "--port 0" in error
    (tmp_path / "empty").mkdir()
    process = started(tmp_path / "empty")
    assert "no dvc.yaml here" in process.communicate(timeout=30)[1]
    assert process.returncode == 1


LISTENING = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=30)
connection.request("GET", "/events", headers={"Cookie": sys.argv[2]})
answer = connection.getresponse()
while line := answer.readline():
    print(line.decode(), end="", flush=True)
"""
WRITING = """
import http.client, json, sys
ids, port, headers = json.load(sys.stdin), int(sys.argv[1]), json.loads(sys.argv[2])
for number in range(1000):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    body = json.dumps({"ids": ids, "kind": "set", "text": f"a{number}"})
    connection.request("POST", "/api/edits", body, headers)
    connection.getresponse().read()
    print(number, flush=True)
"""


def child(code: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


def ended(process: "subprocess.Popen[str]") -> str:
    process.kill()
    return process.communicate()[0]


def test_ctrl_c_ends_it_within_a_second_though_a_page_listens(project: Path) -> None:
    with workbench(project) as server:
        page = child(LISTENING, str(server.port), server.cookie)
        assert page.stdout is not None
        assert page.stdout.readline() == ": here\n"
        began = time.monotonic()
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(10) == 0
        assert time.monotonic() - began < 4  # a second, on a machine that is not shared
        ended(page)


def test_an_open_page_hears_of_a_change_by_another_program(project: Path) -> None:
    with workbench(project) as server:
        page = child(LISTENING, str(server.port), server.cookie)
        assert page.stdout is not None
        assert page.stdout.readline() == ": here\n"
        (project / "data/left_out.yaml").write_text("zib/critter-00001: theirs\n")
        while page.stdout.readline() != "event: changed\n":
            pass
        assert json.loads(page.stdout.readline().removeprefix("data: ")) == ["left_out"]
        assert server.get("/api/filter?q=leftout")["left"] == {"1": "theirs"}
        ended(page)


def test_a_kill_during_bulk_writes_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    """Each write is whole: of the tags a1, a2 ... every picture has the same."""
    project = make_set(tmp_path / "set", 400, tags_each=3)
    file = project / "data/tag_edits.yaml"
    for wait_s in (0.0, 0.05, 0.12):
        with workbench(project) as server:
            ids = server.get("/api/pictures")["ids"]
            writer = child(WRITING, str(server.port), json.dumps(server.own))
            assert writer.stdin is not None
            assert writer.stdout is not None
            json.dump(ids, writer.stdin)
            writer.stdin.close()
            writer.stdin = None
            writer.stdout.readline()
            time.sleep(wait_s)
            server.kill()
            ended(writer)
        written = edits_of(file.read_text(), file)
        assert len(written) == 400
        assert len({edit.set for edit in written}) == 1
    with workbench(project) as server:
        assert server.post("/api/undo").status == 200
