"""Drawing the cells of a grid, on a random base of SD 1.x's topology."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

from pipeline.bases.base import Base
from pipeline.bases.load import load_base
from pipeline.bases.save import save_file, save_folder
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.drawing import precision
from pipeline.drawing.named_files import NO_FILES, NamedFiles
from pipeline.drawing.precision import base_to_draw
from pipeline.drawing.text_to_image import draw
from pipeline.files.safetensors_file import write_safetensors
from pipeline.grid import renderer as module
from pipeline.grid.axes import Cell
from pipeline.grid.cell_store import CellStore
from pipeline.grid.renderer import GridRenderer
from pipeline.networks.families import load
from pipeline.networks.network import AdapterNetwork
from pipeline.prompts.block_weights import block_weights
from pipeline.prompts.settings import DrawingSettings, PictureJob
from pipeline.schemas import AdapterNetworkConfig, BaseConfig
from tests.conftest import ROOT
from tests.noting import noting
from tests.pipeline.bases.random_sd1 import random_base

SETTINGS = DrawingSettings(
    steps=2, guidance=5.0, sampler="ddim", negative_prompt="", width=64, height=64, clip_skip=1, batch=2
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two bases and two networks."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        config = check(compose(Params({}, {"network.dim": 2, "network.alpha": 2.0})))
    base = random_base()
    save_folder(base, folder / "base", "fp32", {})
    save_folder(random_base(1), folder / "other", "fp32", {})
    for number in (1, 2):
        assert isinstance(config.network, AdapterNetworkConfig)
        network = AdapterNetwork.create(config.network, base, seed=number)
        tensors = network.file_tensors("fp32")
        ups = {key: tensor + 0.1 * number for key, tensor in tensors.items() if "lora_up" in key}
        write_safetensors(folder / f"net-{number}.safetensors", {**tensors, **ups}, {})
    return folder


@pytest.fixture
def base(project: Path, monkeypatch: pytest.MonkeyPatch) -> BaseConfig:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        config = check(compose(Params({}, {}))).base
    monkeypatch.chdir(project)
    return config.model_copy(update={"path": "base"})


def cell(**changes: Any) -> Cell:
    plain = Cell(
        checkpoint=None, network=Path("net-1.safetensors"), weight=1.0, blocks=None, prompts=("a cat",),
        seeds=(1, 2, 3), settings=SETTINGS,
    )  # fmt: skip
    return replace(plain, **changes)


class Counted:
    """Counts what is drawn and loaded, and does it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.jobs: list[list[PictureJob]] = []
        self.loaded: list[str] = []
        for name, counted in (
            ("draw", noting(self.jobs, lambda _base, jobs, *_: list(jobs), draw)),
            ("load", noting(self.loaded, lambda path, _base: path.stem, load)),
            ("base_to_draw", noting(self.loaded, lambda config, *_: config.path, base_to_draw)),
        ):
            monkeypatch.setattr(module, name, counted)


def filled(base: BaseConfig, cells: list[Cell], files: NamedFiles = NO_FILES) -> CellStore:
    store, renderer = CellStore(base, files), GridRenderer(files)
    for each in store.missing(cells):
        store.fill(each, renderer.draw)
    assert store.missing(cells) == []
    return store


def draw_all(base: BaseConfig, cells: list[Cell]) -> list[bytes]:
    store = filled(base, cells)
    return [png for each in cells for png in store.pngs(each)]


def test_a_network_trained_with_zero_terminal_snr_is_drawn_with_it(
    base: BaseConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    network = tmp_path / "zero.safetensors"
    tensors = load_file("net-1.safetensors")
    write_safetensors(network, tensors, {"ss_zero_terminal_snr": "True"})
    schedules: list[bool] = []

    def is_rescaled(base: Base, *_: object) -> bool:
        return bool(base.configs["scheduler"].get("rescale_betas_zero_snr"))

    monkeypatch.setattr(module, "draw", noting(schedules, is_rescaled, draw))
    job, renderer = [PictureJob("a cat", 1)], GridRenderer()
    for prediction in ("v_prediction", "epsilon"):
        config = base.model_copy(update={"prediction_type": prediction})
        for each in (cell(network=network), cell(), cell().alone()):
            renderer.draw(config, each, job)
    assert schedules == [True, *[False] * 5]


def test_a_base_that_predicts_otherwise_shares_its_parts(base: BaseConfig) -> None:
    """So that no part is read twice, or onto another device."""
    first = load_base(base)
    second = first.predicting("v_prediction", zero_terminal_snr=True)
    assert second.vae is first.vae
    assert second.denoiser is first.denoiser
    assert (first.predicts_v, second.predicts_v) == (False, True)


def test_a_base_is_loaded_once_and_a_network_once_for_all_its_weights(
    base: BaseConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(monkeypatch)
    networks = [Path("net-1.safetensors"), Path("net-2.safetensors")]
    cells = [cell(network=network, weight=weight) for weight in (0.5, 1.0) for network in networks]
    pngs = draw_all(base, [cell().alone(), *cells])
    assert counted.loaded == ["base", "net-1", "net-2"]
    assert len(set(pngs)) == 15


def test_one_more_weight_draws_its_cells_alone_and_nothing_more_loads_nothing(
    base: BaseConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [cell(weight=weight) for weight in (0.5, 1.0)]
    before = draw_all(base, cells)
    counted = Counted(monkeypatch)
    assert draw_all(base, cells) == before
    assert (counted.jobs, counted.loaded) == ([], [])
    draw_all(base, [*cells, cell(weight=0.7)])
    assert counted.jobs == [[PictureJob("a cat", 1), PictureJob("a cat", 2)], [PictureJob("a cat", 3)]]


def test_what_was_interrupted_ends_with_the_same_bytes(
    base: BaseConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch of which a picture is missing is drawn whole: its pictures' last bits hang together."""
    cells = [cell(weight=weight, seeds=(1, 2, 3, 4)) for weight in (0.5, 1.0)]
    whole = draw_all(base, cells)
    store = CellStore(base)
    second_batch = list(store.batches(cells[1]))[1]
    store.items.path(second_batch.keys[1]).unlink()
    counted = Counted(monkeypatch)
    assert draw_all(base, cells) == whole
    assert counted.jobs == [[PictureJob("a cat", 3), PictureJob("a cat", 4)]]


def test_blocks_and_checkpoints_change_the_picture(base: BaseConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(monkeypatch)
    one = cell(seeds=(1,))
    alone = one.alone()
    every, none, middle = (replace(one, blocks=block_weights(name)) for name in ("ALL", "NONE", "MIDD"))
    other = replace(alone, checkpoint="other")
    pictures = dict(
        zip(("one", "alone", "every", "none", "middle", "other"),
            (pixels(base, each) for each in (one, alone, every, none, middle, other)), strict=True)
    )  # fmt: skip
    assert pictures["every"] == pictures["one"]
    assert pictures["none"] == pictures["alone"]
    assert len({pictures[name] for name in ("one", "alone", "middle", "other")}) == 4
    assert "other" in counted.loaded


def test_a_network_that_a_prompt_calls_counts_by_its_content(
    base: BaseConfig, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = cell(prompts=("a cat <lora:net:0.5>",), seeds=(1,)).alone()

    def drawn_with(number: int) -> bytes:
        shutil.copy(project / f"net-{number}.safetensors", tmp_path / "net.safetensors")
        return filled(base, [called], NamedFiles([tmp_path])).pictures(called)[0].tobytes()

    one, two = drawn_with(1), drawn_with(2)
    assert one != two
    counted = Counted(monkeypatch)
    assert drawn_with(1) == one
    assert counted.jobs == []


def pixels(base: BaseConfig, each: Cell) -> bytes:
    return filled(base, [each]).pictures(each)[0].tobytes()


def test_a_network_is_drawn_in_16_bits(base: BaseConfig) -> None:
    exact, rounded = (cell(settings=replace(SETTINGS, precision=each)) for each in ("fp32", "bf16"))
    one, two = (pictures_of(base, each) for each in (exact, rounded))
    assert 0 < np.abs(one - two).mean() < 3  # of 255 levels; another network's is further
    assert np.abs(pictures_of(base, cell(network=Path("net-2.safetensors"))) - one).mean() > 6


@pytest.mark.parametrize("is_offloaded", [False, True])
def test_a_whole_checkpoint_in_16_bits_is_that_base_in_16_bits(
    base: BaseConfig, is_offloaded: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(precision, "comes_in_turn", lambda *_: is_offloaded)
    other = tmp_path / "whole.safetensors"
    save_file(random_base(1), other, "fp32", {})
    halved = replace(SETTINGS, precision="bf16")
    trained = pictures_of(base, cell(network=other, settings=halved))
    as_base = pictures_of(
        base.model_copy(update={"path": "other", "vae": "base/vae"}), cell(settings=halved).alone()
    )
    assert np.array_equal(trained, as_base)


def pictures_of(base: BaseConfig, drawn: Cell) -> np.ndarray[Any, Any]:
    """[pictures, height, width, 3] of 0 to 255."""
    found = GridRenderer().draw(base, drawn, drawn.jobs)
    return np.stack([np.asarray(each, dtype=np.float32) for each in found])
