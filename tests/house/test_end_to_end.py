"""What runs after which change, by real `dvc repro` in a repository of its own. One test: each row stands on
the one before.
"""

import re
import shlex
import time
from pathlib import Path

import pytest
import yaml
from PIL import Image, ImageOps

from tests.conftest import ROOT
from tests.house.repository import Repository, make_repository

ALL = {
    "compose", "collect", "crop", "tag", "filter-tags", "class-images", "encode", "train",
    "sample-grid", "merge",
}  # fmt: skip
BELOW_TRAIN = {"train", "sample-grid"}
"""merge follows only where the chosen file has changed: what `sample-grid` wrote last decides."""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return make_repository(tmp_path_factory.mktemp("repository") / "project")


def test_a_change_reruns_what_lies_downstream_and_nothing_else(repository: Repository) -> None:
    assert set(repository.repro()) == ALL
    started = time.monotonic()
    assert repository.repro() == []
    print(f"dvc repro with nothing to do: {time.monotonic() - started:.2f} s")
    photo = repository.folder / "demo" / "pictures" / "7_zibbo" / "zibbo-00.png"
    original = photo.read_bytes()
    new = photo.with_name("new.png")
    alpha = yaml.safe_load((repository.folder / "params.yaml").read_text())["network"]["alpha"]

    def rerun(**changes: object) -> set[str]:
        repository.set(**changes)
        return set(repository.repro())

    table = {
        "merge.alpha": (rerun(merge__alpha=0.5), {"compose", "merge"}),
        "sample_grid.seeds": (rerun(sample_grid__seeds=[2]), {"compose", "sample-grid"}),
        "network.alpha": (rerun(network__alpha=4), {"compose", *BELOW_TRAIN, "merge"}),
        "alpha undone": (rerun(network__alpha=alpha), {"compose"}),
        "network.dim": (rerun(network__dim=4), {"compose", *BELOW_TRAIN, "merge"}),
        "optimizer.lr": (rerun(optimizer__lr=1e-3), {"compose", *BELOW_TRAIN, "merge"}),
        "seed": (rerun(seed=1), {"compose", "class-images", *BELOW_TRAIN, "merge"}),
        "filter_tags.threshold": (
            rerun(filter_tags__threshold=0.9),
            {"compose", "filter-tags", *BELOW_TRAIN, "merge"},
        ),
        "tag.min_score": (rerun(tag__min_score=0.2), {"compose", "tag", "filter-tags", "sample-grid"}),
        "crop.focus": (rerun(crop__focus="centre"), ALL - {"collect", "class-images"}),
        "collect.repeats, which folder names overrule": (rerun(collect__repeats=3), {"compose", "collect"}),
    }
    ImageOps.mirror(Image.open(photo)).save(photo)
    table["a picture changed"] = (set(repository.repro()), ALL - {"compose", "class-images"})
    photo.write_bytes(original)
    table["and changed back"] = (set(repository.repro()), set())
    ImageOps.flip(Image.open(photo)).save(new)
    table["a picture added"] = (set(repository.repro()), ALL - {"compose", "class-images"})
    comment = repository.folder / "conf" / "network" / "lora.yaml"
    comment.write_text("# One more line.\n" + comment.read_text())
    table["a comment in conf"] = (set(repository.repro()), {"compose"})
    assert {change: ran for change, (ran, _) in table.items()} == {
        change: wanted for change, (_, wanted) in table.items()
    }


def commands_of_the_readme() -> list[str]:
    """Commands in the README's tables and after `python -m`, but those with a place to fill in."""
    text = (ROOT / "README.md").read_text()
    told = re.findall(r"`((?:dvc|git|python -m) [^`]+)`", text)
    return [
        command
        for command in told
        if not any(mark in command for mark in ("<", "/mnt", "dvc push", "dvc pull"))
    ]


def test_the_commands_in_the_readme_run(repository: Repository) -> None:
    commands = commands_of_the_readme()
    assert len(commands) >= 10
    for command in commands:
        repository.run(*shlex.split(command))
    assert (repository.folder / "tries/dim8/models/network/zibbo.safetensors").is_file()


def test_users_commands_on_the_result(repository: Repository, tmp_path: Path) -> None:
    """Versioning as people do it: metrics, diffs, a remote, an old commit with its model."""
    repository.run("git", "add", "--all")
    repository.run("git", "commit", "--quiet", "--message", "first")
    first = (repository.folder / "models" / "network" / "zibbo.safetensors").read_bytes()
    repository.run("dvc", "exp", "run", "-S", "network.dim=2", "-S", "+use.crop=centre", "--name", "small")
    assert (repository.folder / "models" / "network" / "zibbo.safetensors").read_bytes() != first
    assert "small" in repository.run("dvc", "exp", "show", "--csv").stdout
    assert "network.dim" in repository.run("dvc", "params", "diff").stdout
    assert "train.json" in repository.run("dvc", "metrics", "show").stdout
    repository.run("dvc", "plots", "show", "--out", str(tmp_path / "plots"))
    assert (tmp_path / "plots" / "index.html").is_file()
    repository.run("git", "commit", "--quiet", "--all", "--message", "second")
    repository.run("dvc", "remote", "add", "--default", "folder", str(tmp_path / "remote"))
    repository.run("dvc", "push", "--all-commits")
    repository.run("git", "stash", "--quiet", check=False)
    repository.run("git", "checkout", "--quiet", "HEAD~1")
    repository.run("dvc", "checkout")
    assert (repository.folder / "models" / "network" / "zibbo.safetensors").read_bytes() == first
