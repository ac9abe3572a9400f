from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.bases.base import Base
from pipeline.bases.parts import UNET
from pipeline.bases.registry import family
from pipeline.errors import UserError
from pipeline.files.hypernetwork_file import write_a1111
from pipeline.files.safetensors_file import write_safetensors
from pipeline.networks.hypernetwork import Hypernetwork, context_widths, structure_of
from pipeline.networks.mlp import Mlp, start
from pipeline.schemas.hypernetwork import HypernetworkConfig
from tests.pipeline.bases.random_sd1 import random_base
from tests.pipeline.files.a1111_hypernetwork import random_mlp, save_a1111, two_wide

CONTEXT = torch.tensor([[[3.0, -5.0]]])


def config(**changes: Any) -> HypernetworkConfig:
    return HypernetworkConfig.model_validate(
        {
            "name": "hypernetwork", "sizes": None, "layer_structure": [1.0, 2.0, 1.0], "activation": "linear",
            "activate_output": False, "use_layer_norm": False, "weight_init": "Normal",
            "dropout_structure": None, **changes,
        }
    )  # fmt: skip


@pytest.fixture
def base() -> Base:
    return random_base()


@torch.no_grad()
def answer(base: Base) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((1, 4, 8, 8), generator=generator)
    context = torch.randn((1, 77, 16), generator=generator)
    sample: Tensor = base.denoiser(x, torch.tensor([500]), context).sample
    return sample


def plain_attention() -> nn.ModuleList:
    """An attention layer that hands on its (only) value."""
    attention: Any = Attention(query_dim=2, cross_attention_dim=2, heads=1, dim_head=2)
    for layer in (attention.to_k, attention.to_v, attention.to_out[0]):
        layer.weight.data = torch.eye(2)
    attention.to_out[0].bias.data.zero_()
    return nn.ModuleList([attention])


def test_a_file_of_a1111_gives_the_hand_worked_result(tmp_path: Path) -> None:
    two_wide(tmp_path / "a.pt")
    unet: Any = plain_attention()
    whole = random_base()
    base = Base(whole.family, whole.tokenizer, {"unet": unet}, whole.configs)
    loaded = Hypernetwork.load(tmp_path / "a.pt", base)
    with loaded.attached(base), torch.no_grad():
        assert unet[0].to_k(CONTEXT).tolist() == [[[3 + 3, -5 + 5]]]
        assert unet[0](torch.zeros(1, 1, 2), CONTEXT).tolist() == [[[3 + 1, -5 + 2 * 3]]]
        loaded.set_weight(0.5)
        assert unet[0](torch.zeros(1, 1, 2), CONTEXT).tolist() == [[[3.5, -2]]]
        with loaded.attached(base):  # once more: they chain
            assert unet[0].to_v(CONTEXT).tolist() == [[[4, -2 + 3.5]]]
    assert torch.equal(unet[0](torch.zeros(1, 1, 2), CONTEXT), CONTEXT)


class Reference:
    """A1111's attention_CrossAttention_forward for one hypernetwork, written on its own."""

    def __init__(self, layers: dict[int, Any], strength: float) -> None:
        self.layers, self.strength = layers, strength

    def change(self, context: Tensor, part: int) -> Tensor:
        if context.shape[2] not in self.layers:
            return context
        w = self.layers[context.shape[2]][part]
        hidden = F.linear(context, w["linear.0.weight"], w["linear.0.bias"]).relu()
        return context + F.linear(hidden, w["linear.2.weight"], w["linear.2.bias"]) * self.strength

    def __call__(
        self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, **_: Any
    ) -> Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        q, k, v = (
            rows.unflatten(2, (attn.heads, -1)).transpose(1, 2)
            for rows in (
                attn.to_q(hidden_states),
                attn.to_k(self.change(context, 0)),
                attn.to_v(self.change(context, 1)),
            )
        )
        similarity = (q @ k.transpose(-1, -2)) * attn.scale
        result: Tensor = attn.to_out[0]((similarity.softmax(-1) @ v).transpose(1, 2).flatten(2))
        return result


@pytest.mark.parametrize("widths", [[8], [16], [8, 16]])
@pytest.mark.parametrize("strength", [1.0, 0.6])
def test_in_the_unet_it_acts_as_in_a1111(
    tmp_path: Path, base: Base, widths: list[int], strength: float
) -> None:
    layers = {width: (random_mlp(width, 1), random_mlp(width, 2)) for width in widths}
    save_a1111(layers, tmp_path / "a.pt")
    loaded = Hypernetwork.load(tmp_path / "a.pt", base)
    loaded.set_weight(strength)
    plain = answer(base)
    with loaded.attached(base):
        ours = answer(base)
    assert torch.equal(answer(base), plain)
    assert (ours - plain).abs().max() > 0.01
    base.denoiser.set_attn_processor(Reference(layers, strength))
    assert torch.allclose(ours, answer(base), atol=1e-5)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"activation": "mish", "layer_structure": [1.0, 1.5, 2.0, 1.0], "activate_output": True},
        {"activation": "swish", "use_layer_norm": True, "dropout_structure": [0.0, 0.3, 0.0]},
    ],
)
def test_ours_comes_back_with_the_same_effect(
    tmp_path: Path, base: Base, changes: dict[str, Any], suffix: str
) -> None:
    made = Hypernetwork.create(config(**changes), base, seed=0).eval()
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.2)
    path = tmp_path / f"a{suffix}"
    if suffix == ".pt":
        write_a1111(path, made.file("fp32"))
    else:
        write_safetensors(path, made.file_tensors("fp32"), made.metadata())
    loaded = Hypernetwork.load(path, base)
    with made.attached(base):
        wanted = answer(base)
    with loaded.attached(base):
        assert torch.equal(answer(base), wanted)


def test_the_layers_stand_where_a1111_puts_them() -> None:
    everything = config(
        layer_structure=[1.0, 2.0, 2.0, 1.0], activation="relu", activate_output=True, use_layer_norm=True,
        dropout_structure=[0.0, 0.3, 0.1, 0.0],
    )  # fmt: skip
    kinds = [type(layer).__name__ for layer in Mlp(4, structure_of(everything)).linear]
    inner = ["Linear", "ReLU", "LayerNorm", "Dropout"]
    assert kinds == [*inner, *inner, "Linear", "ReLU", "LayerNorm"]
    assert [type(layer).__name__ for layer in Mlp(4, structure_of(config())).linear] == ["Linear", "Linear"]


@pytest.mark.parametrize(
    ("rule", "activation", "deviation"),
    [
        # Of the first linear, [2 n, n], n = 64: Xavier sqrt(2 / 3n); Kaiming sqrt(2 / n), leaky slope 0.01.
        ("Normal", "linear", 0.01),
        ("XavierUniform", "linear", (2 / 192) ** 0.5),
        ("XavierNormal", "linear", (2 / 192) ** 0.5),
        ("KaimingUniform", "relu", (2 / 64) ** 0.5),
        ("KaimingNormal", "leakyrelu", (2 / 1.0001 / 64) ** 0.5),
    ],
)
def test_weights_start_as_the_rule_says(rule: str, activation: str, deviation: float) -> None:
    structure = structure_of(config(weight_init=rule, activation=activation, use_layer_norm=True))
    mlp = Mlp(64, structure)
    torch.manual_seed(0)
    start(mlp, structure)
    first = mlp.linear[0]
    assert isinstance(first, nn.Linear)
    # 8192 numbers: their deviation is known to 1 / sqrt(2 * 8192), here taken four times.
    assert first.weight.std().item() == pytest.approx(deviation, rel=4 / (2 * 8192) ** 0.5)
    assert not first.bias.any()
    norms = [layer for layer in mlp.linear if isinstance(layer, nn.LayerNorm)]
    assert norms
    assert all(norm.weight.abs().max() < 0.06 for norm in norms)


def test_training_reaches_every_weight_and_the_base_stays(base: Base) -> None:
    base.denoiser.requires_grad_(False)
    made = Hypernetwork.create(config(activation="tanh"), base, seed=0)
    assert sorted(map(int, made)) == sorted(context_widths(base.denoiser)) == [8, 16]
    assert made.part_parameters(family("sd1").part("text_encoder")) == []
    assert made.num_modules() == 4
    with made.attached(base):
        x, context = torch.randn(1, 4, 8, 8), torch.randn(1, 77, 16)
        base.denoiser(x, torch.tensor([500]), context).sample.square().mean().backward()
    assert all(p.grad is not None and p.grad.any() for p in made.part_parameters(UNET))
    assert all(p.grad is None for p in base.denoiser.parameters())


def test_a_steps_dropout_follows_from_its_seed(base: Base) -> None:
    half = config(dropout_structure=[0.0, 0.5, 0.0])
    made = Hypernetwork.create(half, base, seed=0)

    def trained_with(seed: int) -> Tensor:
        made.before_step(seed)
        with made.attached(base):
            return answer(base)

    assert torch.equal(trained_with(1), trained_with(1))
    assert not torch.equal(trained_with(1), trained_with(2))
    made.eval()
    assert torch.equal(trained_with(1), trained_with(2))


def test_the_seed_alone_decides_the_start(base: Base) -> None:
    def tensors(seed: int) -> dict[str, Tensor]:
        return Hypernetwork.create(config(), base, seed).file_tensors("fp32")

    torch.manual_seed(5)
    one, two, other = tensors(1), tensors(1), tensors(2)
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)


def test_files_and_sizes_of_other_bases_are_sentences(
    tmp_path: Path, base: Base, capsys: pytest.CaptureFixture[str]
) -> None:
    def saved(*widths: int, **changes: Any) -> Path:
        layers = {width: (random_mlp(width, 1), random_mlp(width, 2)) for width in widths}
        save_a1111(layers, tmp_path / "a.pt", **changes)
        return tmp_path / "a.pt"

    with pytest.raises(UserError, match="use the base that it was trained on"):
        Hypernetwork.load(saved(32), base)
    Hypernetwork.load(saved(16, 32), base)
    assert "width 32 have nothing to change" in capsys.readouterr().err
    with pytest.raises(UserError, match="do not fit its own settings"):
        Hypernetwork.load(saved(16, layer_structure=[1, 3, 1]), base)
    with pytest.raises(UserError, match="did you mean relu"):
        Hypernetwork.load(saved(16, activation_func="rellu"), base)
    with pytest.raises(UserError, match="it has 8, 16"):
        Hypernetwork.create(config(sizes=[768]), base, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"layer_structure": [2.0, 1.0]},
        {"layer_structure": [1.0, 2.0]},
        {"dropout_structure": [0.0, 0.3]},
        {"dropout_structure": [0.0, 0.3, 0.3]},
        {"dropout_structure": [0.0, 1.0, 0.0]},
    ],
)
def test_what_a1111_would_not_build_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        config(**changes)
