"""Files of SD 2's and SDXL's networks, ours in LyCORIS and LyCORIS's here: the same effect on the denoiser
and on every text encoder.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from lycoris.kohya import LycorisNetworkKohya, create_network
from lycoris.wrapper import create_lycoris
from safetensors.torch import load_file, save_file

from pipeline.bases.base import Base
from pipeline.networks.families import load
from pipeline.networks.network import AdapterNetwork
from tests.pipeline.bases.tiny import small_base
from tests.pipeline.networks.answers import answers, change, difference, learned, with_network
from tests.pipeline.networks.lycoris_modules import shown

ORDER = 1e-4
"""Sums of float32 in another order, through 70 layers."""
KINDS: dict[str, dict[str, Any]] = {
    "locon": {"conv_dim": 2, "conv_alpha": 1.0}, "loha": {}, "lokr": {"factor": 4}, "ia3": {},
}  # fmt: skip
"""Arguments by algorithm; LyCORIS and we call them alike."""
CASES = [("sd2", "loha"), *(("sdxl", kind) for kind in KINDS)]
LAYERS = """
unet_target_module = ["Transformer2DModel"]
text_encoder_target_module = ["CLIPAttention", "CLIPMLP"]
"""
LAYERS_OF_LOCON = LAYERS.replace("Model", 'Model", "ResnetBlock2D", "Downsample2D", "Upsample2D')
LAYERS_OF_IA3 = """
enable_conv = false
unet_target_module = []
unet_target_name = ['.*to_k', '.*to_v', '.*ff[.]net[.]2']
text_encoder_target_module = []
text_encoder_target_name = ['.*k_proj', '.*v_proj', '.*mlp[.]fc2']
[name_algo_map.'.*mlp[.]fc2']
train_on_input = true
[name_algo_map.'.*ff[.]net[.]2']
train_on_input = true
"""
"""LyCORIS's own preset, whose names match only whole paths."""
FORGOTTEN: dict[str, Any] = {
    "enable_conv": True, "unet_target_module": [], "unet_target_name": [], "text_encoder_target_module": [],
    "text_encoder_target_name": [], "name_algo_map": {},
}  # fmt: skip
"""LyCORIS keeps the last preset in its class."""


def random_numbers(network: torch.nn.Module, scale: float = 0.5) -> None:
    torch.manual_seed(1)
    for parameter in network.parameters():
        parameter.data = scale * torch.randn(parameter.shape)


def theirs_of(base: Base, kind: str, folder: Path) -> Any:
    """A network of LyCORIS on the base's layers, applied."""
    LycorisNetworkKohya.apply_preset(FORGOTTEN)
    preset = folder / "preset.toml"
    preset.write_text({"ia3": LAYERS_OF_IA3, "locon": LAYERS_OF_LOCON}.get(kind, LAYERS))
    texts_and_unet = shown(base)
    made = create_network(1.0, 2, 1.0, None, *texts_and_unet, algo=kind, preset=str(preset), **KINDS[kind])
    made.apply_to(*texts_and_unet, True, True)
    return made


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_theirs_acts_here_as_there(name: str, kind: str, tmp_path: Path) -> None:
    base, path = small_base(name), tmp_path / "net.safetensors"
    plain, theirs = answers(base), theirs_of(base, kind, tmp_path)
    random_numbers(theirs)
    there = answers(base)
    theirs.restore()
    save_file({key: value.contiguous() for key, value in theirs.state_dict().items()}, path)
    network = load(path, base)
    assert isinstance(network, AdapterNetwork)
    assert len(network) == len(theirs.loras)
    here = with_network(network, base)
    assert change(here, plain) > 0.02
    assert difference(here, there) < ORDER


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_ours_acts_there_as_here(name: str, kind: str, tmp_path: Path) -> None:
    base = small_base(name)
    network, plain = learned(base, kind, **KINDS[kind]), answers(base)
    here, theirs = with_network(network, base), theirs_of(base, kind, tmp_path)
    weights = network.file_tensors("fp32")
    unread = theirs.load_state_dict(weights, strict=False)
    assert len(theirs.loras) == len(network)
    assert unread.unexpected_keys == []
    assert change(here, plain) > 0.02
    assert difference(answers(base), here) < ORDER


def test_a_wrapper_with_diffusers_names_is_read_on_sdxl(tmp_path: Path) -> None:
    """As SimpleTuner saves them: `lycoris_down_blocks_...`."""
    base, path = small_base("sdxl"), tmp_path / "net.safetensors"
    theirs = create_lycoris(base.denoiser, 1.0, linear_dim=2, linear_alpha=1, algo="lokr", factor=4)
    theirs.apply_to()
    random_numbers(theirs)
    there = answers(base)
    theirs.restore()
    save_file({key: value.contiguous() for key, value in theirs.state_dict().items()}, path)
    assert all(key.startswith("lycoris_") for key in load_file(path))
    network = load(path, base)
    assert isinstance(network, AdapterNetwork)
    assert difference(with_network(network, base), there) < ORDER
