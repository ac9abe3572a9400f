"""Settings for a card, written into params.yaml. Stand-ins for cards; the weights are counted, never read."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from pipeline import fit, nvidia_card
from pipeline.bases.base import Base
from pipeline.bases.outline import outline
from pipeline.bases.registry import family
from pipeline.config.check import check
from pipeline.config.compose import Params, compose, read_params
from pipeline.config.params_edit import with_values
from pipeline.errors import UserError
from pipeline.fit import GpuCard, fitting, main, preset_for, said, this_card
from pipeline.schemas import BaseConfig
from tests.conftest import ROOT

pytestmark = pytest.mark.usefixtures("root")
SDXL = Params({"base": "sdxl", "experiment": "sdxl_character"}, {})
SD15 = Params({"base": "sd15", "experiment": "character"}, {})
DRAWN_IN_FP16 = {"sample_grid.precision": "fp16", "class_images.precision": "fp16"}


@pytest.fixture(autouse=True)
def outlined(monkeypatch: pytest.MonkeyPatch) -> None:
    """Published bases without their files."""

    def made(config: BaseConfig) -> Base:
        return outline(family(config.family or "sd1"), {}, "test")

    monkeypatch.setattr(fit, "load_base", made)


@pytest.mark.parametrize(
    ("gb", "name"), [(3, "4gb"), (4, "4gb"), (6, "6gb"), (10, "8gb"), (11, "8gb"), (12, "12gb"), (80, "24gb")]
)
def test_the_largest_preset_that_is_not_above_the_card(gb: int, name: str) -> None:
    assert preset_for(gb) == name


@pytest.mark.parametrize(
    ("gb", "preset", "keys"), [(24, "24gb", set()), (8, "8gb", set()), (6, "6gb", {"train.offload"})]
)
def test_sdxl_on_cards(gb: int, preset: str, keys: set[str]) -> None:
    """On 6 GB the preset is not enough: half of the blocks wait outside, which changes no number."""
    made = fitting(SDXL, GpuCard("a card", gb))
    assert made.use == {"memory": preset}
    assert made.values.keys() == keys
    assert made.needed is not None
    assert made.needed < 0.9 * gb * 2**30


@pytest.mark.parametrize(
    ("params", "gb", "memory"),
    [
        (SD15, 4, "4gb"),
        (SDXL, 8, "8gb"),
        (Params({"base": "sd15", "network": "checkpoint"}, {}), 6, "6gb"),
        (Params({"base": "sdxl", "network": "checkpoint"}, {}), 10, "8gb"),
    ],
    ids=["LoRA on SD 1.5", "LoRA on SDXL", "all of SD 1.5", "all of SDXL"],
)
def test_what_small_cards_train(params: Params, gb: int, memory: str) -> None:
    """By the estimate, with a tenth of the card to spare; what is written goes together."""
    side = 1024 if params.use["base"] == "sdxl" else 512
    params = Params(params.use, {**params.values, "crop.resolution": side})
    made = fitting(params, GpuCard("a card", gb))
    assert made.use["memory"] == memory
    assert made.needed is not None
    assert made.needed < 0.9 * gb * 2**30
    check(compose(Params({**params.use, **made.use}, {**params.values, **made.values})))


def test_fp32_that_was_asked_for_stays() -> None:
    """Also on a card without bf16, where only what is in bf16 changes."""
    asked = Params(SDXL.use, {"train.precision": "fp32"})
    for has_bf16 in (True, False):
        made = fitting(asked, GpuCard("a card", 8, has_bf16))
        assert "train.precision" not in made.values
        assert made.values["train.offload"]
        assert made.values.get("base.vae_precision") == (None if has_bf16 else "fp32")
    with pytest.raises(UserError, match=r"set in params\.yaml train\.precision: bf16"):
        fitting(
            Params(asked.use, {**asked.values, "train.devices": 2, "network.dora": True}),
            GpuCard("a card", 8),
        )


def test_weights_in_bf16_become_fp16_too() -> None:
    made = fitting(Params(SD15.use, {"train.precision": "bf16_full"}), GpuCard("a card", 24, has_bf16=False))
    assert made.values == {"train.precision": "fp16_full", **DRAWN_IN_FP16}


def test_a_card_without_bf16_gets_fp16() -> None:
    made = fitting(SD15, GpuCard("NVIDIA GeForce RTX 2070", 8, has_bf16=False))
    assert made.values == {"train.precision": "fp16", "base.vae_precision": "fp32", **DRAWN_IN_FP16}


def test_a_card_without_bf16_gets_no_recorded_step() -> None:
    """Which fp16 forbids; fp32 does not."""
    recorded = Params(SD15.use, {"train.cuda_graph": True})
    made = fitting(recorded, GpuCard("a card", 8, has_bf16=False))
    assert made.values["train.precision"] == "fp16"
    assert made.values["train.cuda_graph"] is False
    in_fp32 = Params(SD15.use, {**recorded.values, "train.precision": "fp32"})
    assert fitting(in_fp32, GpuCard("a card", 24, has_bf16=False)).values == DRAWN_IN_FP16


def test_an_optimiser_by_its_name_is_replaced_where_it_is_named() -> None:
    """A value in params.yaml goes before an option: the option alone would save nothing."""
    named = Params({"base": "sd15", "network": "checkpoint"}, {"optimizer.name": "adamw"})
    made = fitting(named, GpuCard("a card", 6))
    assert made.values["optimizer.name"] == "adamw8bit"
    assert made.needed is not None
    assert made.needed < 0.9 * 6 * 2**30


def test_a_run_that_nothing_makes_small_enough_changes_nothing(tmp_path: Path) -> None:
    network = Params({"base": "sdxl", "network": "checkpoint"}, {"crop.resolution": 1024})
    with pytest.raises(UserError, match=r"with all that saves memory it needs .*; params\.yaml is as it was"):
        fitting(network, GpuCard("a card", 6))


@pytest.mark.parametrize(
    ("use", "has_bf16", "cure"),
    [
        ({"optimizer": "prodigy"}, True, "use.optimizer: adafactor or adamw8bit"),
        ({}, False, "train.precision: bf16 or fp32, which train.fused_backward and train.offload need"),
    ],
)
def test_what_a_person_may_choose_is_named(use: dict[str, str], has_bf16: bool, cure: str) -> None:
    whole = Params({"base": "sd15", "network": "checkpoint", **use}, {})
    with pytest.raises(UserError, match=cure):
        fitting(whole, GpuCard("a card", 8, has_bf16))


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


def test_a_hidden_card_is_said_to_be_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(nvidia_card, "names", lambda: ["NVIDIA A10, 560.35"])
    with pytest.raises(UserError, match=r"CUDA_VISIBLE_DEVICES is '', which hides .*\(NVIDIA A10, 560\.35\)"):
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
    main(["--card", "6", "--no-bf16"])
    assert Path("params.yaml").read_text() == (
        "# my run\nuse:\n  base: sdxl  # SDXL\n  experiment: sdxl_character\n  memory: 6gb\n"
        "train:\n  name: 'zibbo'  # its name\n  precision: fp16\n  offload: 0.5\ncrop: {resolution: 1024}\n"
        "base:\n  vae_precision: fp32\n"
        "sample_grid:\n  precision: fp16\nclass_images:\n  precision: fp16\n"
    )
    assert read_params().use["memory"] == "6gb"
    assert "params.yaml now has use.memory: 6gb, train.precision: fp16," in capsys.readouterr().out


def test_groups_that_were_not_there() -> None:
    assert with_values("", {"memory": "8gb"}, {"train.batch": 1}) == (
        "use:\n  memory: 8gb\ntrain:\n  batch: 1\n"
    )
    text = "sample_grid:\n  prompts:\n    - a, b\n    - c\n"
    assert with_values(text, {"memory": "8gb"}, {}) == f"{text}use:\n  memory: 8gb\n"
    flat = text.replace("    -", "  -")
    assert with_values(flat, {"memory": "8gb"}, {}) == f"{flat}use:\n  memory: 8gb\n"
    assert with_values("train:\n", {}, {"train.batch": 1}) == "train:\n  batch: 1\n"


def test_a_value_is_replaced_where_it_is_written() -> None:
    """One dotted key: a second one in a group might lose to it."""
    text = "train:\n  batch: 2\ntrain.precision: fp32\n"
    assert with_values(text, {}, {"train.precision": "fp16"}) == text.replace("fp32", "fp16")


def test_fit_is_no_setting() -> None:
    with pytest.raises(UserError, match=r"python -m pipeline\.fit` asks its card and writes the preset"):
        compose(Params({"memory": "fit"}, {}))


def test_what_a_smaller_card_needed_is_named_on_a_larger_one() -> None:
    """What fit wrote for 6 GB stays in params.yaml: it may be the user's own choice."""
    small = fitting(SDXL, GpuCard("a card", 6))
    after = Params({**SDXL.use, **small.use}, {**SDXL.values, **small.values, "train.batch": 1})
    card = GpuCard("a card", 12)
    large = fitting(after, card)
    assert large.needless == ("train.offload",)
    assert "train.offload in params.yaml saves memory that this card has" in said(card, large)
    assert small.needless == fitting(after, GpuCard("a card", 6)).needless == ()
    with pytest.raises(UserError, match=r"set it to true, or train\.offload to 0"):  # keeps activations
        fitting(after, GpuCard("a card", 24))


@pytest.mark.parametrize("gb", [16, 24])
def test_a_setting_of_a_smaller_card_that_the_larger_preset_refuses_is_named(gb: int) -> None:
    """`fit` itself writes train.offload for SDXL on 6 GB; the larger presets keep activations."""
    before = Params(SDXL.use, {"train.offload": 0.5})
    with pytest.raises(UserError, match=rf"train\.offload .* use\.memory: {gb}gb: remove it"):
        fitting(before, GpuCard("a card", gb))


def test_a_small_base_needs_mebibytes() -> None:
    assert "a step needs about 20 MiB" in said(GpuCard("a card", 8), fit.Fitting({}, {}, 20 * 2**20))


def test_a_grid_that_the_card_cannot_draw_is_said() -> None:
    """SDXL trains on 4 GB with all that saves memory, but its U-Net alone takes 4.8 GiB to draw."""
    card = GpuCard("a card", 4)
    made = fitting(SDXL, card)
    assert made.values["sample_grid.model_offload"] is True
    assert made.too_much is not None
    assert 4.8 < made.too_much / 2**30 < 6
    assert "drawing the grid needs about" in said(card, made)
    for gb in (6, 8, 12, 24):
        assert fitting(SDXL, GpuCard("a card", gb)).too_much is None
