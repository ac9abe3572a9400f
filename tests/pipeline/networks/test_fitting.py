"""Leaves that do not fit the base's layer are one sentence wherever a base is there, never a traceback."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from pipeline.bases.base import Base
from pipeline.errors import UserError
from pipeline.files.tensor_file import Stored
from pipeline.merging.network_changes import NetworkChanges, open_network
from pipeline.networks.algorithms.locon import Locon
from pipeline.networks.algorithms.lokr import Lokr
from pipeline.networks.conversion import convert_to_lora
from pipeline.networks.families import load
from pipeline.networks.fitting import MisfitError, fitted
from tests.pipeline.bases.random_sd1 import random_base

MODULE = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
LDM = "model.diffusion_model.middle_block.1.transformer_blocks.0.attn1.to_q.weight"
NORM = "lora_unet_mid_block_attentions_0_norm"


@pytest.fixture(scope="module")
def base() -> Base:
    return random_base()


def ones(*shape: int) -> Tensor:
    return torch.ones(shape)


def lora(side: int, **more: Tensor) -> dict[str, Tensor]:
    return {"lora_down.weight": ones(2, side), "lora_up.weight": ones(side, 2), **more}


SIDE = 16
MISFITS = {
    "DoRA of one number": lora(SIDE, dora_scale=ones(1)),
    "DoRA of no axes": lora(SIDE, dora_scale=torch.tensor(1.0)),
    "DoRA of 7": lora(SIDE, dora_scale=ones(1, 7)),
    "DoRA of 1 x 1": lora(SIDE, dora_scale=ones(1, 1)),
    "LoRA of another width": lora(SIDE + 1),
    "LoKr without W2": {"lokr_w1": ones(4, 4)},
    "LoKr too small": {"lokr_w1": ones(3, 3), "lokr_w2": ones(3, 3)},
    "LoKr of two ranks": {"lokr_w1": ones(4, 4), "lokr_w2_a": ones(4, 2), "lokr_w2_b": ones(3, 4)},
    "LoKr with a core": {
        "lokr_w1": ones(4, 4), "lokr_w2_a": ones(2, 4), "lokr_w2_b": ones(2, 4), "lokr_t2": ones(2, 2, 3, 3),
    },
    "LoHa without a half": {"hada_w1_a": ones(SIDE, 2), "hada_w1_b": ones(2, SIDE)},
    "GLoRA without B2": {name: ones(SIDE, SIDE) for name in ("a1.weight", "a2.weight", "b1.weight")},
}  # fmt: skip


def written(path: Path, leaves: dict[str, Tensor], module: str = MODULE) -> Path:
    save_file({f"{module}.{leaf}": tensor for leaf, tensor in leaves.items()}, path)
    return path


@pytest.mark.parametrize("kind", MISFITS)
def test_leaves_that_do_not_fit_the_layer_are_a_sentence(kind: str, base: Base, tmp_path: Path) -> None:
    path, out = written(tmp_path / "a.safetensors", MISFITS[kind]), tmp_path / "out.safetensors"
    with pytest.raises(UserError, match="does not fit this base"):
        load(path, base)
    with pytest.raises(UserError, match="does not fit this base"):
        convert_to_lora(path, out, base, 2, "fp32")
    assert not out.exists()
    weight = ones(SIDE, SIDE)
    changes = NetworkChanges("a", open_network(path), {LDM: Stored.of(weight)})
    with pytest.raises(UserError, match="does not fit this checkpoint"):
        changes.delta(LDM, weight)


@pytest.mark.parametrize(
    "leaves", [lora(SIDE), MISFITS["LoKr too small"], {"on_input": ones(), "weight": ones(SIDE)}]
)
def test_brother_a_norm_takes_differences_alone(
    leaves: dict[str, Tensor], base: Base, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"does not fit this base \(the layer is a norm"):
        load(written(tmp_path / "a.safetensors", leaves, NORM), base)


@pytest.mark.parametrize("shape", [(1, 24), (20, 1)])
def test_magnitudes_that_fit_are_taken(shape: tuple[int, int]) -> None:
    leaves = {"lora_down.weight": ones(2, 24), "lora_up.weight": ones(20, 2), "dora_scale": ones(*shape)}
    assert fitted(Locon, nn.Linear(24, 20), leaves).delta(ones(20, 24)).shape == (20, 24)


@torch.no_grad()
def test_a_flat_block_of_lokr_gets_the_kernel() -> None:
    """W1 = [[1, 2], [3, 4]] by a flat W2 of a 1x1 convolution: both ways of the change agree."""
    layer = nn.Conv2d(4, 6, 1, bias=False)
    leaves = {"lokr_w1": torch.tensor([[1.0, 2.0], [3.0, 4.0]]), "lokr_w2": torch.arange(6.0).reshape(3, 2)}
    adapter = fitted(Lokr, layer, leaves)
    expected = torch.kron(leaves["lokr_w1"], leaves["lokr_w2"])
    assert torch.equal(adapter.change()[:, :, 0, 0], expected)
    x = torch.eye(4)[:, :, None, None]
    assert torch.allclose(adapter.update(x)[:, :, 0, 0], expected.T)


def test_a_leaf_without_its_own_half_is_named() -> None:
    with pytest.raises(MisfitError, match="lokr_w1 are not two complete factors"):
        fitted(Lokr, nn.Linear(4, 4), {"lokr_w1": ones(2, 2)})
