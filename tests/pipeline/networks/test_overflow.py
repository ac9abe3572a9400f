"""Finite factors with a product that fp32 does not hold: refused in the same words by every command."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pipeline.errors import UserError
from pipeline.networks.conversion import convert, convert_to_lora
from pipeline.networks.inspection import inspect
from tests.pipeline.bases.random_sd1 import random_base

MODULE = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
PRODUCTS = {
    "lora": {"lora_down.weight": torch.full((2, 16), 1e38), "lora_up.weight": torch.full((16, 2), 1e38)},
    "lokr": {"lokr_w1": torch.full((4, 4), 1e38), "lokr_w2": torch.full((4, 4), 1e38)},
    "loha": {
        f"hada_w{half}_{side}": torch.full(shape, 1e20)
        for half in (1, 2)
        for side, shape in (("a", (16, 2)), ("b", (2, 16)))
    },
}


def written(path: Path, leaves: dict[str, torch.Tensor]) -> Path:
    save_file({f"{MODULE}.{leaf}": tensor for leaf, tensor in leaves.items()}, path)
    return path


@pytest.mark.parametrize("kind", PRODUCTS)
def test_a_product_that_overflows_is_refused_everywhere(kind: str, tmp_path: Path) -> None:
    path, out = written(tmp_path / "a.safetensors", PRODUCTS[kind]), tmp_path / "out.safetensors"
    sentence = (
        rf"a\.safetensors: the change of {MODULE} is NaN or infinity: the product of its factors exceeds fp32"
    )
    with pytest.raises(UserError, match=sentence):
        convert_to_lora(path, out, random_base(), 2, "fp32")
    for layout in ("sd-scripts", "diffusers"):
        with pytest.raises(UserError, match=sentence):
            convert(path, out, layout)
    with pytest.raises(UserError, match=sentence):
        inspect(path)
    assert not out.exists()


def test_brother_alpha_that_fp16_does_not_hold_in_the_matrix(tmp_path: Path) -> None:
    """60000 x 4 / 2 is above fp16's 65504; in fp32, where the product is made, it is a number."""
    leaves = {"lora_down.weight": torch.ones(2, 16).half(), "lora_up.weight": torch.full((16, 2), 6e4).half()}
    path = written(tmp_path / "a.safetensors", leaves | {"alpha": torch.tensor(4.0)})
    with pytest.raises(
        UserError, match=r"lora_B\.weight, multiplied by alpha .* do not fit into torch\.float16"
    ):
        convert(path, tmp_path / "out.safetensors", "diffusers")
    assert not (tmp_path / "out.safetensors").exists()


def test_brother_the_norm_of_large_finite_numbers_is_a_number(tmp_path: Path) -> None:
    """A change of 256 times 2 x 1e15 x 1e15 = 2e30: its squares are above fp32, its norm is 16 x 2e30."""
    leaves = {"lora_down.weight": torch.full((2, 16), 1e15), "lora_up.weight": torch.full((16, 2), 1e15)}
    assert inspect(written(tmp_path / "a.safetensors", leaves)).norms["M00"] == pytest.approx(3.2e31)
