"""What runs after which change, by real `dvc repro` in a repository of its own. One test: each row stands on
the one before.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from PIL import Image, ImageOps

from tests.house.repository import Repository, make_repository
from tests.house.warm_python import warm_commands

ALL = {
    "compose", "collect", "crop", "tag", "filter-tags", "class-images", "encode", "train",
    "sample-grid", "merge", "report",
}  # fmt: skip
BELOW_TRAIN = {"train", "sample-grid", "report"}
"""merge follows only where the chosen file has changed: what `sample-grid` wrote last decides."""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return make_repository(tmp_path_factory.mktemp("repository") / "project").warmed()


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
        "merge.alpha": (rerun(merge__alpha=0.5), {"compose", "merge", "report"}),
        "sample_grid.seeds": (rerun(sample_grid__seeds=[2]), {"compose", "sample-grid", "report"}),
        "network.alpha": (rerun(network__alpha=4), {"compose", *BELOW_TRAIN, "merge"}),
        "alpha undone": (rerun(network__alpha=alpha), {"compose"}),
        "network.dim": (rerun(network__dim=4), {"compose", *BELOW_TRAIN, "merge"}),
        "optimizer.lr": (rerun(optimizer__lr=1e-3), {"compose", *BELOW_TRAIN, "merge"}),
        "seed": (rerun(seed=1), {"compose", "class-images", *BELOW_TRAIN, "merge"}),
        "filter_tags.threshold": (
            rerun(filter_tags__threshold=0.9),
            {"compose", "filter-tags", *BELOW_TRAIN, "merge"},
        ),
        "tag.min_score": (
            rerun(tag__min_score=0.2),
            {"compose", "tag", "filter-tags", "sample-grid", "report"},
        ),
        "crop.focus": (rerun(crop__focus="centre"), ALL - {"collect", "class-images"}),
        "collect.repeats, which folder names overrule": (
            rerun(collect__repeats=3),
            {"compose", "collect", "report"},
        ),
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


NOISE = "pipeline/objectives/noise.py"
EDITS = {
    "a docstring in pipeline/": (NOISE, '"""', '"""Reworded. ', set[str]()),
    "a comment in stages/": ("stages/train.py", "import argparse", "import argparse  # options", set()),
    "a message": ("pipeline/pictures/faces.py", "UserError(", 'UserError("reworded", ', set()),
    "the arithmetic of noise": (NOISE, "torch.randn(", "2 * torch.randn(", {"train"}),
    "an algorithm that is not configured": (
        "pipeline/networks/algorithms/loha.py", "* self.scale", "* 2 * self.scale", set(),
    ),
    "the configured algorithm": (
        "pipeline/networks/algorithms/lora.py", "* self.scale", "* 2 * self.scale",
        {"train", "sample-grid", "merge"},
    ),
    "a rule between groups": ("pipeline/config/rules/merge.py", "return", "assert True; return", set()),
}  # fmt: skip


BY_DVC = ("a docstring in pipeline/", "the arithmetic of noise")
"""Held by `dvc status` itself; the others by the hashes that it compares."""
HASHES = "import json; from stages.compose import *; print(json.dumps(stage_code(resolved())))"


def hashes(repository: Repository) -> dict[str, str]:
    """The hash of each stage's code, as compose would write it."""
    found: dict[str, str] = json.loads(repository.run("python", "-c", HASHES).stdout)
    return found


def test_code_reruns_what_its_results_follow_from(repository: Repository) -> None:
    assert not repository.stale()
    before, stale = hashes(repository), {}
    for name, (file, old, new, _) in EDITS.items():
        path = repository.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        if name in BY_DVC:
            repository.repro("compose")
            stale[name] = repository.stale()
        else:
            after = hashes(repository)
            stale[name] = {stage for stage in before if after[stage] != before[stage]}
        path.write_text(text)
    added = repository.folder / "pipeline" / "networks" / "algorithms" / "full.py"
    added.write_text((added.with_name("lora.py")).read_text().replace("class Lora", "class Full"))
    assert repository.repro("compose") == ["compose"]
    assert not repository.stale()
    assert stale == {name: wanted for name, (*_, wanted) in EDITS.items()}


def test_compose_says_what_an_upgrade_makes_stale_and_results_can_be_kept(repository: Repository) -> None:
    noise = repository.folder / NOISE
    noise.write_text(noise.read_text().replace("torch.randn(", "2 * torch.randn("))
    said = repository.run("dvc", "repro", "compose").stderr
    assert "the code of train has changed" in said
    assert "dvc commit --force train" in said
    repository.run("dvc", "commit", "--force", "train")
    assert repository.repro() == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("-c", "import os, sys; print(os.getcwd(), sys.argv, sys.stdin.read()); sys.exit(3)", "--x"),
        ("-c", "raise SystemExit('a sentence')"),
        ("-c", "import atexit; atexit.register(print, 'the end'); 1 / 0"),
        ("-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"),
        ("-m", "pipeline.networks", "inspect", "none.pt"),
    ],
)
def test_a_warm_command_ends_as_a_real_one(repository: Repository, arguments: tuple[str, ...]) -> None:
    def ended(python: str | Path) -> tuple[int, str, str]:
        process = subprocess.run(
            [python, *arguments],
            cwd=repository.folder, env=repository.environment, input="said", capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        last = (process.stderr.splitlines() or [""])[-1]
        return process.returncode % 256, process.stdout, last

    code, *said = ended(warm_commands() / "python")
    assert (code if code != 128 + 9 else 256 - 9, *said) == ended(sys.executable)
