"""What LyCORIS trains and we read alone acts here as there: attached, and baked into a file."""

import contextlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lycoris.kohya import create_network
from safetensors.torch import save_file
from torch import Tensor

from pipeline.bases.base import Base
from pipeline.bases.save import save_file as save_base
from pipeline.errors import UserError
from pipeline.files.safetensors_file import write_safetensors
from pipeline.merging.bake import bake
from pipeline.networks.families import acts_on_weights, family_of_file, load
from pipeline.networks.foreign.oft import Oft
from pipeline.networks.inspection import inspect
from pipeline.networks.network import AdapterNetwork
from tests.pipeline.bases.random_sd1 import random_base
from tests.pipeline.merging.test_network_changes import baked
from tests.pipeline.networks.test_families import trained
from tests.pipeline.networks.test_network import answer

KINDS: dict[str, dict[str, Any]] = {
    "difference": {"algo": "full", "train_norm": "True"},
    "oft": {"algo": "diag-oft", "constraint": "0.1"},
    "oft, rescaled": {"algo": "diag-oft", "rescaled": "True"},
    "oft, boft": {"algo": "boft", "rescaled": "True"},
    "glora": {"algo": "glora"},
    "lora, dora of outputs": {"algo": "lora", "dora_wd": "True", "wd_on_output": "True"},
    "lora, norms": {"algo": "lora", "train_norm": "True"},
}
TOLERANCE = 1e-5
"""Of the effect: the same float32 sums in another order."""
ROUNDED = 0.1
"""Of the effect, in 16 bits."""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    with contextlib.redirect_stdout(io.StringIO()):
        yield
    logging.disable(logging.NOTSET)


def theirs(kind: str, path: Path) -> Tensor:
    """Trained-looking weights of LyCORIS, its own answer with them, and its file."""
    base = random_base()
    network = create_network(
        1.0,
        4,
        2,
        None,
        base.text_encoders[0],
        base.denoiser,
        preset="attn-mlp",
        conv_dim=4,
        conv_alpha=2,
        **KINDS[kind],
    )
    network.apply_to(base.text_encoders[0], base.denoiser, True, True)
    generator = torch.Generator().manual_seed(1)
    for parameter in network.parameters():
        parameter.data = parameter.data + 0.1 * torch.randn(parameter.shape, generator=generator)
    network.eval()
    found = answer(base)
    save_file({key: value.detach().clone().contiguous() for key, value in network.state_dict().items()}, path)
    return found


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_d3_lycoris_files_act_as_in_lycoris(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    expected, base = theirs(kind, path), random_base()
    plain = answer(base)
    assert family_of_file(path) == kind.partition(",")[0]
    assert acts_on_weights(path)
    assert " of the U-Net, 12 of the text encoder" in inspect(path).facts["modules"]
    network = load(path, base)
    with network.attached(base):
        attached = answer(base)
    effect = expected - plain
    assert effect.norm() > 0.1 * plain.norm()
    assert (attached - expected).norm() < TOLERANCE * effect.norm()
    save_base(base, tmp_path / "base.safetensors", "fp32", {})
    streamed = answer(baked(tmp_path / "base.safetensors", path, 1.0, tmp_path / "out.safetensors"))
    assert (streamed - expected).norm() < TOLERANCE * effect.norm()
    bake(network, base, 1.0)
    assert (answer(base) - expected).norm() < TOLERANCE * effect.norm()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_d3_lycoris_files_act_on_a_base_in_16_bits(kind: str, dtype: torch.dtype, tmp_path: Path) -> None:
    """As pictures are drawn. An answer in bf16 is off by a hundredth, of which the effect is a fraction."""
    path = tmp_path / "net.safetensors"
    expected, base = theirs(kind, path), random_base()
    effect = expected - answer(base)
    for part in (base.denoiser, *base.text_encoders):
        part.to(dtype)
    with load(path, base).attached(base), torch.autocast("cpu", dtype):
        attached = answer(base)
    assert (attached - expected).norm() < ROUNDED * effect.norm()


@torch.no_grad()
def test_d3_half_strength_is_half_of_the_weights_change(tmp_path: Path) -> None:
    path, base = tmp_path / "net.safetensors", random_base()
    theirs("difference", path)
    network = load(path, base)
    network.set_weight(0.5)
    with network.attached(base):
        attached = answer(base)
    bake(network, base, 0.5)
    assert torch.allclose(answer(base), attached, atol=1e-5)


def test_d3_a_turn_by_hand() -> None:
    """Q = [[0, t], [-t, 0]] with t = 1 turns by R = (I + Q)(I - Q)^-1 = [[0, 1], [-1, 0]]; W' = R^T W."""
    layer = torch.nn.Linear(2, 2, bias=False)
    layer.weight.data = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    blocks = torch.tensor([[[0.0, 1.0], [0.0, 0.0]]])
    adapter = Oft.from_weights(layer, {"oft_blocks": blocks})
    turned = layer.weight + adapter.change()
    assert torch.allclose(turned, torch.tensor([[-3.0, -4.0], [1.0, 2.0]]), atol=1e-6)


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ({"oft_blocks": torch.zeros(2, 3, 3)}, "does not fit this base"),
        ({"oft_blocks": torch.zeros(4)}, "must have at least 2 axes"),
        ({"a1.weight": torch.zeros(3, 2)}, "does not fit this base"),
        ({"diff": torch.zeros(3, 3)}, "does not fit this base"),
        ({"diff_b": torch.zeros(8)}, "changes a bias that this base lacks"),
    ],
)
def test_d3_what_does_not_fit_is_a_sentence(weights: dict[str, Tensor], reason: str, tmp_path: Path) -> None:
    module = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    save_file({f"{module}.{leaf}": tensor for leaf, tensor in weights.items()}, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match=reason):
        load(tmp_path / "a.safetensors", random_base())


@torch.no_grad()
def test_d3_our_own_differences_beside_an_ia3_are_read(tmp_path: Path) -> None:
    base: Base = random_base()
    network = trained("ia3", base)
    write_safetensors(tmp_path / "a-diff.safetensors", network.companion_files("fp32")["-diff"].tensors, {})
    with network.attached(base):
        expected = answer(base)
    again = load(tmp_path / "a-diff.safetensors", base)
    assert isinstance(again, AdapterNetwork)
    with again.attached(base):
        assert torch.allclose(answer(base), expected, atol=1e-5)
