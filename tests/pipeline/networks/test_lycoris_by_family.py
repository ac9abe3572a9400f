"""Files of SD 2's and SDXL's networks, ours in LyCORIS and LyCORIS's here: the same effect on the denoiser
and on every text encoder.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from lycoris.kohya import LycorisNetworkKohya, create_network, create_network_from_weights
from lycoris.wrapper import create_lycoris
from safetensors.torch import load_file, save_file

from pipeline.files.safetensors_file import write_safetensors
from pipeline.networks.families import load
from pipeline.networks.network import AdapterNetwork
from tests.pipeline.bases.tiny import small_base
from tests.pipeline.networks.answers import answers, change, difference, learned, with_network
from tests.pipeline.networks.lycoris_modules import shown

ORDER = 1e-4
"""Sums of float32 in another order, through 70 layers."""
KINDS: dict[str, dict[str, Any]] = {
    "locon": {},
    "loha": {},
    "lokr": {"factor": 4},
    "ia3": {"preset": "ia3"},
}
"""Arguments of LyCORIS by algorithm."""
CASES = [("sd2", "loha"), *(("sdxl", kind) for kind in KINDS)]


def random_numbers(network: torch.nn.Module) -> None:
    torch.manual_seed(1)
    for parameter in network.parameters():
        parameter.data = 0.3 * torch.randn(parameter.shape)


@pytest.fixture(autouse=True)
def own_choice_of_layers() -> None:
    """LyCORIS keeps the last preset in its class."""
    LycorisNetworkKohya.apply_preset({"text_encoder_target_module": ["CLIPAttention", "CLIPMLP"]})


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_theirs_acts_here_as_there(name: str, kind: str, tmp_path: Path) -> None:
    base, path = small_base(name), tmp_path / "net.safetensors"
    plain, arguments = answers(base), {"preset": "attn-mlp", **KINDS[kind]}
    theirs = create_network(1.0, 2, 1.0, None, *shown(base), algo=kind, **arguments)
    random_numbers(theirs)
    theirs.apply_to(*shown(base), True, True)
    there = answers(base)
    theirs.restore()
    save_file({key: value.contiguous() for key, value in theirs.state_dict().items()}, path)
    network = load(path, base)
    assert isinstance(network, AdapterNetwork)
    assert len(network) == len(theirs.loras)
    here = with_network(network, base)
    assert change(here, plain) > 0.05
    assert difference(here, there) < ORDER


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_ours_acts_there_as_here(name: str, kind: str, tmp_path: Path) -> None:
    base, path = small_base(name), tmp_path / "net.safetensors"
    network = learned(base, kind, **({"text_encoder": True} if kind != "ia3" else {}))
    write_safetensors(path, network.file_tensors("fp32"), {})
    here, texts_and_unet = with_network(network, base), shown(base)
    theirs, weights = create_network_from_weights(1.0, str(path), None, *texts_and_unet)
    theirs.apply_to(*texts_and_unet, True, True)
    assert len(theirs.loras) == len(network)
    assert theirs.load_state_dict(weights, strict=False).unexpected_keys == []
    there = answers(base)
    assert change(here, answers(small_base(name))) > 0.05
    assert difference(there, here) < ORDER


def test_a_wrapper_with_diffusers_names_is_read_on_sdxl(tmp_path: Path) -> None:
    """As SimpleTuner saves them: `lycoris_down_blocks_...`."""
    base, path = small_base("sdxl"), tmp_path / "net.safetensors"
    theirs = create_lycoris(base.denoiser, 1.0, linear_dim=2, linear_alpha=1, algo="lokr", factor=4)
    random_numbers(theirs)
    theirs.apply_to()
    there = answers(base)
    theirs.restore()
    save_file({key: value.contiguous() for key, value in theirs.state_dict().items()}, path)
    assert all(key.startswith("lycoris_") for key in load_file(path))
    network = load(path, base)
    assert isinstance(network, AdapterNetwork)
    assert difference(with_network(network, base), there) < ORDER
