"""What runs after which change, by real `dvc repro` in a repository of its own. One test: each row stands on
the one before.
"""

import time

import pytest
import yaml
from PIL import Image, ImageOps

from tests.house.repository import Repository, make_repository

ALL = {
    "compose", "collect", "crop", "tag", "filter-tags", "class-images", "encode", "train",
    "sample-grid", "merge", "report",
}  # fmt: skip
BELOW_TRAIN = {"train", "sample-grid", "report"}
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
