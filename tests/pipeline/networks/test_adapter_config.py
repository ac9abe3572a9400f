"""LoRAs made with PEFT and diffusers act here as they do there: rank-stabilised, with patterns, with DoRA."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline
from peft import LoHaConfig, LoKrConfig, LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pipeline.bases.base import Base
from pipeline.errors import UserError
from pipeline.networks.adapter_config import CONFIG_FILE, header_configs
from pipeline.networks.families import load
from pipeline.networks.network_files import read_weights
from pipeline.networks.scales import say_once
from tests.pipeline.bases.random_sd1 import random_base
from tests.pipeline.networks.test_network import answer

TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "ff.net.2", "proj_in"]
SETTINGS: dict[str, dict[str, Any]] = {
    "rslora": {"r": 4, "lora_alpha": 6, "use_rslora": True},
    "patterns": {
        "r": 4,
        "lora_alpha": 6,
        "alpha_pattern": {"attn1.to_q": 2, r"up_blocks.*attn2\.to_k": 1},
        "rank_pattern": {"attn1.to_q": 2, "mid_block.attentions.0.proj_in": 3},
    },
    "patterns, rslora": {"r": 4, "lora_alpha": 6, "use_rslora": True, "rank_pattern": {"to_v": 2}},
    "dora": {"r": 4, "lora_alpha": 6, "use_dora": True},
}
TOLERANCE = 1e-5
"""Of the effect: the same float32 sums in another order."""


@pytest.fixture
def base() -> Base:
    say_once.cache_clear()
    return random_base()


def filled(model: nn.Module) -> nn.Module:
    """With every adapter's numbers away from their start."""
    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        if any(mark in name for mark in ("lora_", "hada_", "lokr_")):
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.data = parameter.data + 0.1 * noise
    return model.eval()


def effect_of(path: Path, base: Base) -> Tensor:
    plain = answer(base)
    with load(path, base).attached(base):
        return answer(base) - plain


def distance(ours: Tensor, theirs: Tensor) -> float:
    assert theirs.norm() > 1e-2
    return float((ours - theirs).norm() / theirs.norm())


def peft_effect(unet: PeftModel, base: Base) -> Tensor:
    with_adapter = copy.copy(base)
    with_adapter._parts = {**base._parts, "unet": unet}
    return answer(with_adapter) - answer(base)


@pytest.mark.parametrize("kind", SETTINGS)
@torch.no_grad()
def test_d1_pefts_adapter_config_beside_the_file_is_obeyed(kind: str, base: Base, tmp_path: Path) -> None:
    config = LoraConfig(target_modules=TARGETS, **SETTINGS[kind])
    unet = filled(get_peft_model(copy.deepcopy(base.denoiser), config))
    assert isinstance(unet, PeftModel)
    unet.save_pretrained(str(tmp_path))
    ours = effect_of(tmp_path / "adapter_model.safetensors", base)
    assert distance(ours, peft_effect(unet, base)) < TOLERANCE


@pytest.mark.parametrize(
    "config", [LoHaConfig(r=4, alpha=6), LoKrConfig(r=2, alpha=6), LoKrConfig(r=64, alpha=16)]
)
@torch.no_grad()
def test_d1_brother_pefts_loha_and_lokr(config: LoHaConfig | LoKrConfig, base: Base, tmp_path: Path) -> None:
    config.target_modules = ["to_q", "to_v", "conv1"]
    unet = filled(get_peft_model(copy.deepcopy(base.denoiser), config))
    assert isinstance(unet, PeftModel)
    unet.save_pretrained(str(tmp_path))
    ours = effect_of(tmp_path / "adapter_model.safetensors", base)
    assert distance(ours, peft_effect(unet, base)) < TOLERANCE


@pytest.mark.parametrize("kind", SETTINGS)
@torch.no_grad()
def test_d1_diffusers_header_is_obeyed_in_both_parts(kind: str, base: Base, tmp_path: Path) -> None:
    """Written by diffusers' own function, and read again by diffusers."""
    settings = SETTINGS[kind]
    own = {key: value for key, value in settings.items() if not key.endswith("_pattern")}
    unet, text = copy.deepcopy(base.denoiser), copy.deepcopy(base.text_encoders[0])
    unet.add_adapter(LoraConfig(target_modules=TARGETS, **settings))
    text.add_adapter(LoraConfig(target_modules=["q_proj", "fc1"], **{**own, "lora_alpha": 3}))
    filled(unet), filled(text)
    StableDiffusionPipeline.save_lora_weights(
        str(tmp_path),
        unet_lora_layers=get_peft_model_state_dict(unet),
        text_encoder_lora_layers=get_peft_model_state_dict(text),
        unet_lora_adapter_metadata=unet.peft_config["default"].to_dict(),
        text_encoder_lora_adapter_metadata=text.peft_config["default"].to_dict(),
    )
    both = copy.copy(base)
    both._parts = {**base._parts, "unet": unet, "text_encoder": text}
    theirs = answer(both) - answer(base)
    assert distance(effect_of(tmp_path / "pytorch_lora_weights.safetensors", base), theirs) < TOLERANCE


def written(path: Path, dim: int = 2, **header: str) -> Path:
    stem = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
    tensors = {f"{stem}.lora_A.weight": torch.ones(dim, 16), f"{stem}.lora_B.weight": torch.ones(16, dim)}
    save_file(tensors, path, metadata=header or None)
    return path


MODULE = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"


def test_d1_where_alpha_is_nowhere_it_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "a.safetensors")
    for _ in range(2):
        assert float(read_weights(path)[f"{MODULE}.alpha"]) == 2
    told = capsys.readouterr().err
    assert told.count("alpha is neither in its header nor in an adapter_config.json") == 1
    (tmp_path / CONFIG_FILE).write_text(json.dumps({"r": 2, "lora_alpha": 6, "use_rslora": True}))
    assert float(read_weights(path)[f"{MODULE}.alpha"]) == pytest.approx(6 * 2**0.5)  # 6 / sqrt 2 = alpha / 2
    assert capsys.readouterr().err == ""


def test_d1_settings_of_another_file_are_not_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "b.safetensors")
    (tmp_path / CONFIG_FILE).write_text(json.dumps({"r": 16, "lora_alpha": 6}))
    assert float(read_weights(path)[f"{MODULE}.alpha"]) == 2
    told = capsys.readouterr().err
    assert "has rank 2 in the file, 16 in the settings; it is ignored" in told
    assert "alpha is neither" in told


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ("{", "is not readable JSON"),
        ("[" * 50_000, "is not readable JSON"),
        ("[1]", "must be a mapping"),
        ('{"r": 2, "lora_alpha": NaN}', "NaN is no finite number"),
        (f'{{"r": {"9" * 5000}}}', "a number of 5000 digits"),
        ('{"r": 2, "lora_alpha": -1}', "must be a number above 0"),
        ('{"r": true, "lora_alpha": 1}', "must be a number above 0"),
        ('{"r": 2, "lora_alpha": 1, "alpha_pattern": {"(a+)+x": 1}}', "cannot be matched safely"),
        ('{"r": 2, "lora_alpha": 1, "alpha_pattern": {"[": 1}}', "cannot be matched safely"),
        ('{"r": 2, "lora_alpha": 1, "alpha_pattern": []}', "is not a mapping"),
        ('{"peft_type": "OFT", "r": 2}', "only LORA, LOHA, LOKR can be read"),
    ],
)
def test_d1_settings_are_a_strangers_data(settings: str, match: str, tmp_path: Path) -> None:
    path = written(tmp_path / "c.safetensors")
    (tmp_path / CONFIG_FILE).write_text(settings)
    with pytest.raises(UserError, match=match):
        read_weights(path)
    if "peft_type" not in settings:
        header = written(tmp_path / "d.safetensors", lora_adapter_metadata=settings)
        with pytest.raises(UserError, match=match):
            read_weights(header)


@pytest.mark.filterwarnings("ignore:Adapter 'default'")  # PEFT doubts its own biases
@torch.no_grad()
def test_d1_brother_a_bias_of_the_second_matrix(base: Base, tmp_path: Path) -> None:
    """PEFT's `lora_bias`: B x + b, times the scale; here a change of the layer's bias."""
    config = LoraConfig(r=4, lora_alpha=6, lora_bias=True, target_modules=["to_out.0", "ff.net.2"])
    unet = filled(get_peft_model(copy.deepcopy(base.denoiser), config))
    assert isinstance(unet, PeftModel)
    unet.save_pretrained(str(tmp_path))
    path = tmp_path / "adapter_model.safetensors"
    assert any(key.endswith("lora_B.bias") for key in load_file(path))
    assert distance(effect_of(path, base), peft_effect(unet, base)) < TOLERANCE


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"rank_pattern": {f"layer{number}": 4 for number in range(1000)}}, "at most 256 patterns"),
        ({"rank_pattern": {"(?i)to_q": 4}}, "cannot be matched safely"),
        ({"r": 1e-300}, "a rank is a whole number"),
        ({"rank_pattern": {"to_q": 8.5}}, "a rank is a whole number"),
    ],
)
def test_d1_settings_out_of_bounds_are_a_sentence(settings: dict[str, object], reason: str) -> None:
    values = {f"unet.{key}": value for key, value in {"r": 4, "lora_alpha": 4, **settings}.items()}
    with pytest.raises(UserError, match=reason):
        header_configs({"lora_adapter_metadata": json.dumps(values)}, Path("a.safetensors"))
