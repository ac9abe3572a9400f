"""Figures of a commit: what git keeps, and what DVC's cache has."""

import json
from pathlib import Path

import yaml

from pipeline.sweep.results import committed_figures
from tests.house.repository import Repository


def test_figures_of_a_commit_come_from_git_and_from_the_cache(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    for command in ("git init --quiet", "dvc init --quiet"):
        repository.run(*command.split())
    stages = {
        name: {"cmd": f"cp {name}.json metrics/", "deps": [f"{name}.json"], "outs": [f"metrics/{name}.json"]}
        for name in ("train", "merge")
    }
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics/run.json").write_text('{"loss": 3}')
    for name, loss in (("train", 1), ("merge", 2)):
        (tmp_path / f"{name}.json").write_text(json.dumps({"loss": loss, "name": "x"}))
    repository.run("dvc", "repro")
    repository.run("git", "add", "--all")
    repository.run("git", "commit", "--quiet", "--message", "run")
    assert "metrics/train.json" not in repository.run("git", "ls-files").stdout
    (tmp_path / "train.json").write_text('{"loss": 4}')
    repository.run("dvc", "repro", "train")
    every = {"run.loss": 3.0, "train.loss": 1.0, "merge.loss": 2.0}
    assert committed_figures("HEAD", str(tmp_path)) == every
    (tmp_path / "metrics/train.json").unlink()
    assert committed_figures(None, str(tmp_path)) == every | {"train.loss": 4.0}
    cached = json.loads(repository.run("dvc", "status", "--json").stdout)
    assert cached == {"train": [{"changed outs": {"metrics/train.json": "deleted"}}]}
    repository.run("git", "clone", "--quiet", ".", str(tmp_path / "clone"))
    assert committed_figures("HEAD", str(tmp_path / "clone")) == {"run.loss": 3.0}, "a clone has no cache"
