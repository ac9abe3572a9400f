"""SDXL's text encoders, and VAEs, in both layouts."""

from pathlib import Path

import pytest
import torch
from diffusers.loaders.single_file_utils import convert_open_clip_checkpoint
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

from pipeline.bases.registry import family
from pipeline.errors import UserError
from pipeline.files.safetensors_file import write_safetensors
from pipeline.merging.checkpoint import open_checkpoint, open_vae
from tests.pipeline.bases.test_load import older_vae_name
from tests.pipeline.merging.random_checkpoints import random_weights, single_file

SECOND_PREFIX = family("sdxl").part("text_encoder_2").file_prefix


def small_second_encoder() -> CLIPTextModelWithProjection:
    torch.manual_seed(0)
    config = CLIPTextConfig(
        hidden_size=16, intermediate_size=32, num_attention_heads=2, num_hidden_layers=2, projection_dim=16
    )
    return CLIPTextModelWithProjection(config)


def test_the_second_text_encoder_has_the_single_files_names_and_numbers(tmp_path: Path) -> None:
    encoder = small_second_encoder()
    weights = {key: value for key, value in encoder.state_dict().items() if "position_ids" not in key}
    for part, named in (("unet", random_weights(0)["unet"]), ("text_encoder_2", weights)):
        (tmp_path / part).mkdir()
        write_safetensors(tmp_path / part / "model.safetensors", named, {})
    found = open_checkpoint(tmp_path).tensors
    prefix = SECOND_PREFIX
    ours = {
        key: stored.read().reshape(stored.shape) for key, stored in found.items() if key.startswith(prefix)
    }
    assert f"{prefix}transformer.resblocks.1.attn.in_proj_weight" in ours
    assert ours[f"{prefix}transformer.resblocks.0.attn.in_proj_bias"].shape == (48,)
    assert torch.equal(
        found[f"{prefix}text_projection"].read(), weights["text_projection.weight"].T.flatten()
    )
    # Back through diffusers' own conversion: the same weights.
    back = convert_open_clip_checkpoint(encoder, dict(ours), prefix=prefix)
    assert {key for key in back if "position_ids" not in key} == weights.keys()
    assert all(torch.equal(back[key], weights[key]) for key in weights)


def test_a_span_over_the_joints_of_three_tensors(tmp_path: Path) -> None:
    encoder = small_second_encoder()
    for part, named in (("unet", random_weights(0)["unet"]), ("text_encoder_2", encoder.state_dict())):
        (tmp_path / part).mkdir()
        write_safetensors(tmp_path / part / "model.safetensors", named, {})
    stored = open_checkpoint(tmp_path).tensors[f"{SECOND_PREFIX}transformer.resblocks.0.attn.in_proj_weight"]
    whole = stored.read()
    assert torch.equal(stored.read(200, 600), whole[200:600])
    assert torch.equal(stored.read(256, 512), whole[256:512])


@pytest.mark.parametrize("layout", ["whole", "prefixed", "bare", "diffusers", "older diffusers"])
def test_a_vae_in_every_layout(layout: str, tmp_path: Path) -> None:
    weights = random_weights(1)
    whole = single_file(weights)
    vae = {key: value for key, value in whole.items() if key.startswith("first_stage_model.")}
    content = {
        "whole": whole,
        "prefixed": vae,
        "bare": {key.removeprefix("first_stage_model."): value for key, value in vae.items()},
        "diffusers": weights["vae"],
        "older diffusers": {older_vae_name(key): value for key, value in weights["vae"].items()},
    }[layout]
    write_safetensors(tmp_path / "vae.safetensors", content, {})
    found, _ = open_vae(tmp_path / "vae.safetensors")
    assert found.keys() == vae.keys()
    assert all(torch.equal(found[key].read().reshape(found[key].shape), vae[key]) for key in vae)


def test_what_holds_no_vae_is_refused(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "a.safetensors", {"x": torch.ones(1)}, {})
    with pytest.raises(UserError, match="has no VAE"):
        open_vae(tmp_path / "a.safetensors")


def test_a_folder_prefers_full_precision_and_tells_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    with pytest.raises(UserError, match=r"unet: no \.safetensors or \.bin file"):
        open_checkpoint(tmp_path)
    unet = random_weights(0)["unet"]
    torch.save(unet, tmp_path / "unet" / "diffusion_pytorch_model.bin")
    from_pickle = open_checkpoint(tmp_path).tensors
    write_safetensors(tmp_path / "unet" / "diffusion_pytorch_model.safetensors", unet, {})
    halves = {key: value.half() for key, value in unet.items()}
    write_safetensors(tmp_path / "unet" / "diffusion_pytorch_model.fp16.safetensors", halves, {})
    tensors = open_checkpoint(tmp_path).tensors
    assert {stored.dtype for stored in tensors.values()} == {torch.float32}
    assert len(tensors) == len(unet)
    assert all(torch.equal(tensors[name].read(), from_pickle[name].read()) for name in tensors)
