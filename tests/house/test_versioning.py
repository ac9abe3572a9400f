"""docs/versioning.md, command by command: two people, a git server, a shared folder and an S3 server."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import yaml

from tests.conftest import ROOT
from tests.house.repository import Repository, make_repository

GUIDE = (ROOT / "docs" / "versioning.md").read_text()
COMMAND = re.compile(r"^(ann|ben)\$ (.+)$", re.MULTILINE)
TARGET = "filter-tags"
"""The guide runs the whole graph; here it ends where training would begin."""
DATA = {"data/collected", "data/cropped", "data/tags", "data/captions"}


@pytest.fixture
def s3() -> Iterator[str]:
    """An S3 server on loopback with the guide's bucket; its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            try:
                requests.put(f"{url}/zibbo", timeout=5).raise_for_status()
                break
            except requests.ConnectionError:
                time.sleep(0.25)
        yield url
    finally:
        server.terminate()
        server.wait()


class People:
    """Ann, who has the project, and Ben, who has an empty folder."""

    def __init__(self, folder: Path, s3: str) -> None:
        ann, ben = make_repository(folder / "ann"), Repository(folder / "ben")
        ann.run("git", "branch", "--move", "main")
        ben.folder.mkdir()
        (folder / "home").mkdir()
        self.repositories = {"ann": ann, "ben": ben}
        keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "k", "AWS_DEFAULT_REGION": "us-east-1"}
        for repository in self.repositories.values():
            repository.environment |= keys
        self.places = {
            "/srv/git": f"{folder}/git", "/mnt/share": f"{folder}/share", "/home/ben": f"{folder}/home",
            "http://127.0.0.1:9000": s3,
        }  # fmt: skip

    def follow(self, section: str) -> list[str]:
        """Runs the section's commands; what each said."""
        text = GUIDE.split(f"## {section}\n")[1].split("\n## ")[0]
        commands = COMMAND.findall(text)
        assert commands
        return [self._run(who, command) for who, command in commands]

    def _run(self, who: str, command: str) -> str:
        for place, here in self.places.items():
            command = command.replace(place, here)
        command = re.sub(r"^dvc (repro|exp run)", rf"dvc \1 {TARGET}", command)
        ended = self.repositories[who].run("bash", "-c", command, check=False)
        said = f"{ended.stdout}\n{ended.stderr}"
        assert (ended.returncode != 0) == command.endswith("# conflict"), f"{who}$ {command}\n{said}"
        return said


def ran(said: str) -> set[str]:
    return set(re.findall(r"^Running stage '([\w-]+)'", said, re.MULTILINE))


def there(repository: Repository) -> set[str]:
    """Outputs that lie in the working tree."""
    return {name for name in DATA if (repository.folder / name).exists()}


def test_the_guide_does_what_it_says(tmp_path: Path, s3: str) -> None:
    people = People(tmp_path, s3)
    ann, ben = people.repositories["ann"], people.repositories["ben"]
    people.follow("Ann starts")
    assert there(ann) == DATA
    joined = people.follow("Ben joins")
    assert ran(joined[1]) == set()
    assert there(ben) == {"data/captions"}
    people.follow("A store in the cloud")
    stranger = Repository(tmp_path / "stranger")
    stranger.environment = ben.environment
    ben.run(
        "git", "clone", "--quiet", "--branch", "main", str(tmp_path / "git/zibbo.git"), str(stranger.folder)
    )
    assert stranger.repro("--pull", "--allow-missing", TARGET) == []
    assert there(stranger) == set()
    stranger.set(tag__min_score=0.2)
    assert set(stranger.repro("--pull", "--allow-missing", "tag")) == {"compose", "tag"}
    assert there(stranger) == {"data/cropped", "data/tags"}
    changed = people.follow("Both change something")
    assert [ran(said) for said in changed if ran(said)] == [
        {"compose", "filter-tags"},  # Ann's
        {"compose", "collect"},  # Ben's
        {"compose"},  # both together: nothing that either has computed runs again
    ]
    params = yaml.safe_load((ben.folder / "params.yaml").read_text())
    assert (params["filter_tags"]["trigger"], params["collect"]["min_side_px"]) == ("zibi", 96)
    shown = people.follow("Names for what is good")
    assert "network" in shown[5]
    pictures = list((tmp_path / "home/dataset/pictures").rglob("*.png"))
    assert len(pictures) == len(list((ann.folder / "data/cropped/pictures").rglob("*.png"))) > 0
