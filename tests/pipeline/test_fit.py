"""Settings for a card, written into params.yaml. Stand-ins for cards; the weights are counted, never read."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from pipeline import fit
from pipeline.bases.base import Base
from pipeline.bases.outline import outline
from pipeline.bases.registry import family
from pipeline.config.compose import Params, compose, read_params
from pipeline.config.params_edit import with_values
from pipeline.errors import UserError
from pipeline.fit import GpuCard, fitting, main, preset_for, this_card
from pipeline.schemas import BaseConfig
from tests.conftest import ROOT

pytestmark = pytest.mark.usefixtures("root")
SDXL = Params({"base": "sdxl", "experiment": "sdxl_character"}, {})
SD15 = Params({"base": "sd15", "experiment": "character"}, {})


@pytest.fixture(autouse=True)
def outlined(monkeypatch: pytest.MonkeyPatch) -> None:
    """Published bases without their files."""

    def made(config: BaseConfig) -> Base:
        return outline(family(config.family or "sd1"), {}, "test")

    monkeypatch.setattr(fit, "load_base", made)


@pytest.mark.parametrize(
    ("gb", "name"), [(4, "6gb"), (6, "6gb"), (10, "8gb"), (11, "8gb"), (12, "12gb"), (80, "24gb")]
)
def test_the_largest_preset_that_is_not_above_the_card(gb: int, name: str) -> None:
    assert preset_for(gb) == name


@pytest.mark.parametrize(
    ("gb", "preset", "keys"), [(24, "24gb", set()), (8, "8gb", set()), (6, "6gb", {"train.base_precision"})]
)
def test_sdxl_on_cards(gb: int, preset: str, keys: set[str]) -> None:
    """On 6 GB the preset is not enough: the base goes into 8 bits."""
    made = fitting(SDXL, GpuCard("a card", gb))
    assert made.use == {"memory": preset}
    assert made.values.keys() == keys
    assert made.needed is not None
    assert made.needed < 0.9 * gb * 2**30


def test_a_card_without_bf16_gets_fp16() -> None:
    made = fitting(SD15, GpuCard("NVIDIA GeForce RTX 2070", 8, has_bf16=False))
    assert made.values == {"train.precision": "fp16", "base.vae_precision": "fp32"}


def test_a_run_that_nothing_makes_small_enough_changes_nothing(tmp_path: Path) -> None:
    network = Params({"base": "sdxl", "network": "checkpoint"}, {"crop.resolution": 1024})
    with pytest.raises(UserError, match=r"with all that saves memory it needs .*; params\.yaml is as it was"):
        fitting(network, GpuCard("a card", 6))


def test_the_card_of_this_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card that is sold with 12 GB shows 11.76 GiB."""
    properties = SimpleNamespace(name="NVIDIA GeForce RTX 3060", total_memory=round(11.76 * 2**30))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: properties)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 6))
    assert this_card() == GpuCard("NVIDIA GeForce RTX 3060", 12, has_bf16=True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 5))
    assert not this_card().has_bf16


def test_without_a_card_it_asks_for_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"name its memory: `--card 8`"):
        this_card()


def test_params_keep_their_comments_and_other_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        "# my run\nuse:\n  base: sdxl  # SDXL\n  experiment: sdxl_character\n"
        "train:\n  name: 'zibbo'  # its name\ncrop: {resolution: 1024}\n"
    )
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").symlink_to(ROOT / "conf")
    Path("params.yaml").write_text(text)
    main(["--card", "6"])
    assert Path("params.yaml").read_text() == (
        "# my run\nuse:\n  base: sdxl  # SDXL\n  experiment: sdxl_character\n  memory: 6gb\n"
        "train:\n  name: 'zibbo'  # its name\n  base_precision: int8\ncrop: {resolution: 1024}\n"
    )
    assert read_params().use["memory"] == "6gb"
    assert "params.yaml now has use.memory: 6gb, train.base_precision: int8" in capsys.readouterr().out


def test_groups_that_were_not_there() -> None:
    assert with_values("", {"memory": "8gb"}, {"train.batch": 1}) == (
        "use:\n  memory: 8gb\ntrain:\n  batch: 1\n"
    )
    text = "sample_grid:\n  prompts:\n    - a, b\n    - c\n"
    assert with_values(text, {"memory": "8gb"}, {}) == f"{text}use:\n  memory: 8gb\n"
    flat = text.replace("    -", "  -")
    assert with_values(flat, {"memory": "8gb"}, {}) == f"{flat}use:\n  memory: 8gb\n"
    assert with_values("train:\n", {}, {"train.batch": 1}) == "train:\n  batch: 1\n"


def test_fit_is_no_setting() -> None:
    with pytest.raises(UserError, match=r"python -m pipeline\.fit` asks its card and writes the preset"):
        compose(Params({"memory": "fit"}, {}))
