"""Figures of the encoder and the head, on colours: the encoder's features are the channels' means."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.errors import UserError
from pipeline.files.hashing import sha256_of_file
from pipeline.grid.axes import Cell
from pipeline.grid.cell_store import CellStore
from pipeline.grid.drift import drift_cells
from pipeline.grid.places import places_of
from pipeline.grid.scorer import Scorer
from pipeline.pictures.png import png_bytes
from pipeline.pictures.records import PICTURE_FOLDER, Record, write_records
from pipeline.prompts.settings import DrawingSettings
from pipeline.schemas import Config
from tests.pipeline.vision.tiny_encoder import write_means

pytestmark = pytest.mark.usefixtures("root")
RED, GREEN, ORANGE = (255, 0, 0), (0, 255, 0), (255, 128, 0)
NETWORK = Path("zib-000005.safetensors")


def unit(colour: tuple[int, int, int]) -> np.ndarray[Any, np.dtype[np.float64]]:
    vector = np.array(colour) / 127.5 - 1
    return np.asarray(vector / np.linalg.norm(vector))


def plain(colour: tuple[int, int, int]) -> Image.Image:
    return Image.new("RGB", (64, 64), colour)


def cropped(folder: Path, **colours: tuple[int, int, int]) -> Path:
    """data/cropped of one picture of each colour."""
    records = []
    for name, colour in colours.items():
        file = folder / PICTURE_FOLDER / f"zib/{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        plain(colour).save(file)
        records.append(
            Record(
                id=f"zib/{name}", file=f"zib/{name}.png", sha256=sha256_of_file(file), width_px=64,
                height_px=64, concept="zib", repeats=1, is_class=False, caption=None, verdict="ok", notes=[],
                group=f"zib/{name}", origin={},
            )
        )  # fmt: skip
    write_records(folder, records)
    return folder


@pytest.fixture
def config(tmp_path: Path) -> Config:
    head = tmp_path / "head.safetensors"
    save_file({"weight": torch.tensor([[0.0, 4.0, 0.0]]), "bias": torch.tensor([0.0])}, head)
    eye = {"vision.encoder": str(write_means(tmp_path / "encoder")), "vision.aesthetic": str(head)}
    return check(compose(Params({"vision": "none"}, eye)))


def drawn(store: CellStore, cell: Cell, *colours: tuple[int, int, int]) -> Cell:
    for item_key, colour in zip(store.keys(cell), colours, strict=True):
        store.items.put(item_key, png_bytes(plain(colour)))
    return cell


def the_cell(config: Config, prompts: tuple[str, ...] = ("a red cat",)) -> Cell:
    settings = DrawingSettings.of(config.sample_grid, config.base)
    return Cell(
        checkpoint=None,
        network=None,
        weight=0.0,
        blocks=None,
        prompts=prompts,
        seeds=(1, 2),
        settings=settings,
    )


def test_likeness_is_to_held_out_pictures_and_memory_to_the_others(config: Config, tmp_path: Path) -> None:
    store = CellStore(config.base)
    cell = drawn(store, the_cell(config), RED, GREEN)
    folder = cropped(tmp_path / "cropped", red=RED, green=GREEN, orange=ORANGE)
    scorer = Scorer(config, store, folder, ["zib/orange"])
    pictures = scorer.scored([cell])[cell].pictures
    to_orange = [float(unit(RED) @ unit(ORANGE)), float(unit(GREEN) @ unit(ORANGE))]
    assert pictures["identity"] == pytest.approx(to_orange, abs=1e-4)
    assert pictures["likeness"] == pytest.approx(to_orange, abs=1e-4)
    assert pictures["nearest_training"] == pytest.approx([1.0, 1.0], abs=1e-4)
    assert pictures["quality"] == pytest.approx(
        [1 / (1 + np.exp(-4 * unit(each)[1])) for each in (RED, GREEN)], abs=1e-4
    )
    assert scorer.eye.ceiling == pytest.approx(max(to_orange), abs=1e-4)
    figures = scorer.scored([cell])[cell].as_dict()
    assert figures["identity"] == pytest.approx(np.mean(to_orange), abs=1e-4)


def test_without_held_out_pictures_the_training_ones_are_the_measure(config: Config, tmp_path: Path) -> None:
    store = CellStore(config.base)
    cell = drawn(store, the_cell(config), RED, GREEN)
    scorer = Scorer(config, store, cropped(tmp_path / "cropped", red=RED, orange=ORANGE))
    pictures = scorer.scored([cell])[cell].pictures
    assert pictures["identity"] == pictures["nearest_training"]
    assert scorer.eye.ceiling == pytest.approx(float(unit(RED) @ unit(ORANGE)), abs=1e-4)


def test_drift_is_the_distance_from_the_bases_own_picture(config: Config, tmp_path: Path) -> None:
    store = CellStore(config.base)
    network = tmp_path / NETWORK
    network.write_bytes(b"x")
    of_network = replace(the_cell(config), network=network, weight=1.0)
    pairs = drift_cells([of_network, the_cell(config)], ["a dog"])
    assert [cell.network for cell in pairs] == [network, None]
    assert {cell.prompts for cell in pairs} == {("a dog",)}
    drifted, alone = pairs
    drawn(store, drifted, RED, ORANGE)
    drawn(store, alone, RED, RED)
    scorer = Scorer(config, store, cropped(tmp_path / "cropped", red=RED))
    assert scorer.drifted(drifted, alone).pictures["drift"] == pytest.approx(
        [0.0, 1 - float(unit(ORANGE) @ unit(RED))], abs=1e-4
    )
    assert "drift" not in scorer.drifted(alone, alone).pictures
    drawn(store, of_network, RED, RED)
    drawn(store, the_cell(config), GREEN, GREEN)
    scores = scorer.scored([of_network, the_cell(config)])
    found = {cell: scorer.drifted(cell, base) for cell, base in pairs.items()}
    [place], base = places_of(scores, found, {network: 5})
    assert (place.epoch, place.weight) == (5, 1.0)
    assert place.values["drift"] == pytest.approx([0.0, 1 - float(unit(ORANGE) @ unit(RED))], abs=1e-4)
    assert base is not None
    assert np.isnan(base.values["drift"]).all()
    assert base.values["identity"] == pytest.approx([float(unit(GREEN) @ unit(RED))] * 2, abs=1e-4)
    assert drift_cells([of_network], []) == {}


def test_features_are_computed_once(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = CellStore(config.base)
    cell = drawn(store, the_cell(config), RED, GREEN)
    folder = cropped(tmp_path / "cropped", red=RED)
    first = Scorer(config, store, folder).scored([cell])
    monkeypatch.setattr("pipeline.vision.kept_features.open_encoder", lambda *_: pytest.fail("opened again"))
    again = Scorer(config, store, folder)
    assert again.scored([cell]) == first
    assert again.eye.ceiling is None


def test_a_head_without_its_encoder_is_a_sentence(config: Config, tmp_path: Path) -> None:
    alone = config.model_copy(update={"vision": config.vision.model_copy(update={"encoder": None})})
    cell = drawn(CellStore(config.base), the_cell(config), RED, GREEN)
    scorer = Scorer(alone, CellStore(config.base), cropped(tmp_path / "cropped", red=RED))
    with pytest.raises(UserError, match=r"head on an encoder's features, but vision\.encoder is null"):
        scorer.scored([cell])


def test_the_scale_of_drift_is_between_the_bases_own_pictures(config: Config, tmp_path: Path) -> None:
    store = CellStore(config.base)
    alone = drawn(store, the_cell(config, ("a dog", "a sea")), RED, ORANGE, GREEN, GREEN)
    eye = Scorer(config, store, cropped(tmp_path / "cropped", red=RED)).eye
    found = eye.drift_scale(alone)
    assert found is not None
    seeds = [1 - float(unit(RED) @ unit(ORANGE)), 0.0]
    others = [1 - float(unit(one) @ unit(GREEN)) for one in (RED, ORANGE)]
    assert found.seed == pytest.approx(np.mean(seeds), abs=1e-4)  # features are kept to five places
    assert found.prompt == pytest.approx(np.mean(others), abs=1e-4)
    blind = config.model_copy(update={"vision": config.vision.model_copy(update={"encoder": None})})
    assert Scorer(blind, store, tmp_path / "cropped").eye.drift_scale(alone) is None
