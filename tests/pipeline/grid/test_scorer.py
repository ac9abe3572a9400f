"""The figures of cells, and that none is scored twice."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from skimage import data as photographs

from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.files.hashing import sha256_of_file
from pipeline.grid.asked import asked_of
from pipeline.grid.axes import Cell
from pipeline.grid.cell_store import CellStore
from pipeline.grid.scorer import Scorer
from pipeline.pictures.png import png_bytes
from pipeline.pictures.records import PICTURE_FOLDER, Record, write_records
from pipeline.prompts.settings import DrawingSettings
from pipeline.schemas import Config
from tests.pipeline.captions.onnx_models import write_tagger
from tests.pipeline.vision.tiny_clip import write_clip

pytestmark = pytest.mark.usefixtures("root")
ASTRONAUT = Image.fromarray(photographs.astronaut()).resize((128, 128))
CAT = Image.fromarray(photographs.chelsea()).resize((128, 128))


def configured(**changes: Any) -> Config:
    return check(compose(Params({}, {f"sample_grid.{name}": value for name, value in changes.items()})))


def cropped(folder: Path, *classes: bool) -> Path:
    """data/cropped of one picture, the astronaut, for each of `classes`: whether it is of the class."""
    records = []
    for number, is_class in enumerate(classes):
        file = folder / PICTURE_FOLDER / f"zib/{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        ASTRONAUT.save(file)
        records.append(
            Record(
                id=f"zib/{number}",
                file=f"zib/{number}.png",
                sha256=sha256_of_file(file),
                width_px=128,
                height_px=128,
                concept="zib",
                repeats=1,
                is_class=is_class,
                caption=None,
                verdict="ok",
                notes=[],
                group=f"zib/{number}",
                origin={},
            )
        )
    write_records(folder, records)
    return folder


def drawn(config: Config) -> tuple[CellStore, Cell]:
    """A cell in the store: the astronaut and the cat."""
    settings = DrawingSettings.of(config.sample_grid, config.base)
    cell = Cell(
        checkpoint=None, network=None, weight=0.0, blocks=None, prompts=("a red cat",), seeds=(1, 2),
        settings=settings,
    )  # fmt: skip
    store = CellStore(config.base)
    for item_key, picture in zip(store.keys(cell), (ASTRONAUT, CAT), strict=True):
        store.items.put(item_key, png_bytes(picture))
    return store, cell


def test_copies_are_told_from_the_training_pictures_but_not_from_the_class(tmp_path: Path) -> None:
    config = configured()
    store, cell = drawn(config)
    scored = Scorer(config, store, cropped(tmp_path / "one", False)).scored([cell])[cell]
    assert scored.measures.nearest is not None
    assert (scored.measures.nearest.copies, scored.measures.nearest.picture) == (1, "zib/0")
    assert (scored.score, scored.clip, scored.total) == (None, None, None)
    of_class = Scorer(config, store, cropped(tmp_path / "two", True)).scored([cell])[cell]
    assert of_class.measures.nearest is None


def test_a_cell_with_figures_is_not_scored_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = write_clip(tmp_path / "clip")
    write_tagger(tmp_path / "tagger", "N")
    config = check(
        compose(
            Params(
                {},
                {
                    "sample_grid.subject_tags": ["greenish"],
                    "sample_grid.clip": str(clip),
                    "sample_grid.clip_sha256": "0" * 64,
                    "tag.model": str(tmp_path / "tagger"),
                },
            )
        )
    )
    store, cell = drawn(config)
    folder = cropped(tmp_path / "one", False)
    first = Scorer(config, store, folder).scored([cell])
    assert first[cell].score is not None
    assert first[cell].clip is not None

    def refuse(*_: Any) -> None:
        raise AssertionError("scored again")

    monkeypatch.setattr(CellStore, "pictures", refuse)
    assert Scorer(config, store, folder).scored([cell]) == first


def test_models_are_asked_about_plain_words() -> None:
    settings = replace(DrawingSettings.of(configured().sample_grid, configured().base), steps=4)
    cell = Cell(
        checkpoint=None, network=None, weight=0.0, blocks=None, prompts=("a (red:1.3) [dog:cat:2]<lora:x>",),
        seeds=(1, 2), settings=settings,
    )  # fmt: skip
    assert asked_of(cell) == ["a red cat", "a red cat"]


def test_of_other_prompts_pictures_the_tagger_says_which_show_the_subject_all_the_same(
    tmp_path: Path,
) -> None:
    write_tagger(tmp_path / "tagger", "N")  # `greenish` is the mean of the green channel
    config = check(
        compose(
            Params(
                {}, {"sample_grid.subject_tags": ["greenish"], "tag.model": str(tmp_path / "tagger")}
            )
        )
    )  # fmt: skip
    store, cell = drawn(config)
    for item_key, green in zip(store.keys(cell), (255, 0), strict=True):
        store.items.put(item_key, png_bytes(Image.new("RGB", (64, 64), (0, green, 0))))
    drifted = Scorer(config, store, cropped(tmp_path / "one", False)).drifted(cell, cell)
    assert drifted.pictures["bleed"] == [1.0, 0.0]
    assert "subject" not in drifted.pictures
    blind = configured()
    assert "bleed" not in Scorer(blind, store, tmp_path / "one").drifted(cell, cell).pictures
