"""Files of SD 2's and SDXL's networks, ours in diffusers and diffusers' here: the same effect on the denoiser
and on every text encoder.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.training_utils import _collate_lora_metadata
from peft import LoraConfig, get_peft_model_state_dict

from pipeline.files.safetensors_file import write_safetensors
from pipeline.networks.conversion import convert
from pipeline.networks.families import load
from pipeline.networks.network import AdapterNetwork
from tests.pipeline.bases.tiny import small_base
from tests.pipeline.networks.answers import (
    answers,
    base_of,
    change,
    difference,
    learned,
    pipeline_of,
    with_network,
)

FAMILIES = ("sd2", "sdxl")
ORDER = 1e-4
"""Sums of float32 in another order, through 70 layers."""


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("layout", ["own", "diffusers"])
def test_diffusers_loads_our_lora_with_the_same_effect(name: str, layout: str, tmp_path: Path) -> None:
    base = small_base(name)
    network, path = learned(base), tmp_path / "net.safetensors"
    write_safetensors(path, network.file_tensors("fp32"), {})
    if layout == "diffusers":
        path = convert(path, tmp_path / "converted.safetensors", "diffusers")[0]
    pipe = pipeline_of(base, tmp_path / "base")
    pipe.load_lora_weights(tmp_path, weight_name=path.name, adapter_name="net")
    pipe.set_adapters("net", 0.6)
    plain, ours = answers(base), with_network(network, base, 0.6)
    assert change(ours, plain) > 0.05
    assert difference(ours, answers(base_of(pipe, base))) < ORDER


@pytest.mark.parametrize("name", FAMILIES)
def test_we_load_diffusers_lora_with_the_same_effect(name: str, tmp_path: Path) -> None:
    base = small_base(name)
    pipe = pipeline_of(base, tmp_path / "base")
    torch.manual_seed(0)
    parts = {part.name: getattr(pipe, part.name) for part in base.family.trained_parts}
    saved: dict[str, Any] = {}
    for part, module in parts.items():
        layers = ["to_q", "to_out.0", "proj_in", "ff.net.2"] if part == "unet" else ["q_proj", "fc1"]
        module.add_adapter(LoraConfig(r=3, lora_alpha=2, target_modules=layers))
        for key, weight in module.named_parameters():
            if "lora_" in key:
                weight.data = 0.5 * torch.randn(weight.shape)
        saved[f"{part}_lora_layers"] = get_peft_model_state_dict(module)
    pipe.save_lora_weights(tmp_path, weight_name="net.safetensors", **saved, **_collate_lora_metadata(parts))
    network = load(tmp_path / "net.safetensors", base)
    assert isinstance(network, AdapterNetwork)
    ours = with_network(network, base)
    assert change(ours, answers(base)) > 0.05
    assert difference(ours, answers(base_of(pipe, base))) < ORDER
