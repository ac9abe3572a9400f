import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.bases import from_file, from_folder
from pipeline.bases.base import Base
from pipeline.bases.filling import origins_there
from pipeline.bases.load import load_base
from pipeline.bases.registry import family
from pipeline.bases.save import plain_configs, save_folder
from pipeline.bases.save import save_file as save_checkpoint
from pipeline.bases.tokenizers import make_tokenizer
from pipeline.errors import UserError
from pipeline.schemas import BaseConfig
from tests.noting import noting
from tests.pipeline.bases.random_sd1 import file_key, random_base


def config(path: Path, **changes: object) -> BaseConfig:
    return BaseConfig.plain(str(path), **changes)


def older_vae_name(key: str) -> str:
    """diffusers' name of a VAE's weight as its older versions had it, and the hub's SD 1.x has it still."""
    older = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    for new, old in older.items():
        key = key.replace(f".{new}.", f".{old}.")
    return key


def test_folder_and_file_load_as_what_was_saved(tmp_path: Path) -> None:
    base = random_base()
    save_folder(base, tmp_path / "folder", "fp32", {})
    save_checkpoint(base, tmp_path / "file.safetensors", "fp32", {})
    for path in (tmp_path / "folder", tmp_path / "file.safetensors"):
        loaded = load_base(config(path))
        for part in ("unet", "vae", "text_encoder"):
            ours, theirs = base.part(part).state_dict(), loaded.part(part).state_dict()
            assert ours.keys() == theirs.keys()
            assert all(torch.equal(ours[key], theirs[key]) for key in ours)
        assert loaded.tokenizer("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
        assert loaded.configs["scheduler"]["beta_end"] == 0.012


@pytest.mark.parametrize("layout", ["folder", "file"])
def test_a_part_is_read_when_it_is_asked_for(
    tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is known of a part before is what its module says of itself."""
    save = save_folder if layout == "folder" else save_checkpoint
    save(random_base(), tmp_path / "x.safetensors", "fp16", {})
    read: list[str] = []
    for module, name in ((from_folder, "read_part"), (from_file, "filled")):
        reader = noting(read, lambda first, *_: str(first), getattr(module, name))
        monkeypatch.setattr(module, name, reader)
    loaded = load_base(config(tmp_path / "x.safetensors")).to(torch.device("cpu"))
    assert read == []
    before = plain_configs(loaded)
    assert not loaded.vae.training
    assert not any(parameter.requires_grad for parameter in loaded.vae.parameters())
    assert len(read) == 1
    assert loaded.vae is loaded.vae
    assert len(read) == 1
    assert isinstance(loaded.configs, dict)
    loaded.configs["vae"], loaded.configs["unet"] = dict(loaded.vae.config), dict(loaded.denoiser.config)
    loaded.configs["text_encoder"] = loaded.text_encoders[0].config.to_dict()
    if layout == "folder":
        assert plain_configs(loaded) == before


def test_another_vae_is_put_in_place(tmp_path: Path) -> None:
    save_folder(random_base(0), tmp_path / "a", "fp32", {})
    save_folder(random_base(1), tmp_path / "b", "fp32", {})
    loaded = load_base(config(tmp_path / "a", vae=str(tmp_path / "b" / "vae")))
    wanted = load_base(config(tmp_path / "b")).vae.state_dict()
    assert all(torch.equal(tensor, wanted[key]) for key, tensor in loaded.vae.state_dict().items())


@pytest.mark.parametrize("layout", ["prefixed", "bare", "diffusers", "older diffusers"])
def test_a_vae_file_in_every_layout(layout: str, tmp_path: Path) -> None:
    made, names = (
        family("sd1"),
        {
            "prefixed": lambda key: file_key("vae", key),
            "bare": lambda key: file_key("vae", key).removeprefix("first_stage_model."),
            "diffusers": lambda key: key,
            "older diffusers": older_vae_name,
        }[layout],
    )
    vae = made.part("vae").outline(made.configs["vae"])
    shapes = {names(key): tuple(tensor.shape) for key, tensor in vae.state_dict().items()}
    base = Base(made, make_tokenizer(None), {"vae": vae}, made.configs)
    found = origins_there(base, "vae", tmp_path / "vae.safetensors", shapes)
    assert {key: origin.key for key, origin in found.items()} == {key: names(key) for key in vae.state_dict()}


@pytest.mark.parametrize(
    ("key", "shape", "family"),
    [
        ("conditioner.embedders.1.model.ln_final.weight", [4], "has no U-Net"),
        ("cond_stage_model.model.ln_final.weight", [4], "has no U-Net"),
        ("lora_unet_mid_block_attentions_0_proj_in.alpha", [], "LoRA"),
        ("double_blocks.0.img_attn.qkv.weight", [4], "Flux"),
        ("something.else", [1], "not a known checkpoint"),
    ],
)
def test_files_of_another_family_are_refused_by_name(
    tmp_path: Path, key: str, shape: list[int], family: str
) -> None:
    save_file({key: torch.zeros(shape)}, tmp_path / "x.safetensors")
    with pytest.raises(UserError, match=family):
        load_base(config(tmp_path / "x.safetensors"))


def test_a_folder_of_another_family_is_refused_by_name(tmp_path: Path) -> None:
    save_folder(random_base(), tmp_path / "a", "fp16", {})
    path = tmp_path / "a" / "unet" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"addition_embed_type": "text_time"}))
    with pytest.raises(UserError, match=r"is Stable Diffusion XL distilled .*; this pipeline trains"):
        load_base(config(tmp_path / "a"))


@pytest.mark.parametrize("smaller", [{"layers_per_block": 1}, {"block_out_channels": [8, 16, 16]}])
def test_a_folder_of_a_base_that_was_made_smaller_is_refused(
    tmp_path: Path, smaller: dict[str, object]
) -> None:
    """Its levels or Res blocks are fewer, so that blocks would be counted wrongly."""
    save_folder(random_base(), tmp_path / "a", "fp16", {})
    path = tmp_path / "a" / "unet" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | smaller))
    with pytest.raises(UserError, match="is of an unknown family"):
        load_base(config(tmp_path / "a"))


def test_incomplete_and_damaged_files_are_sentences(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_checkpoint(random_base(), path, "fp16", {})
    whole = path.read_bytes()
    weights = load_file(path)
    del weights["model.diffusion_model.out.2.bias"]
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        header = file.metadata()
    save_file(weights, path, header)
    with pytest.raises(
        UserError, match=r"1 weights of the U-Net are missing \(model\.diffusion_model\.out\.2\.bias"
    ):
        load_base(config(path))
    path.write_bytes(whole[:5000])
    with pytest.raises(UserError, match=r"not a readable \.safetensors file"):
        load_base(config(path))


@pytest.mark.parametrize("make", [True, False])
def test_missing_bases_are_sentences(tmp_path: Path, make: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    path = tmp_path / "base"
    if make:
        path.mkdir()
    with pytest.raises(UserError, match=r"base\.path .*(model_index|not a folder or file)"):
        load_base(config(path))


def test_a_base_that_changed_since_compose_is_refused(tmp_path: Path) -> None:
    save_checkpoint(random_base(), tmp_path / "x.safetensors", "fp16", {})
    with pytest.raises(UserError, match="has changed since `compose` ran"):
        load_base(config(tmp_path / "x.safetensors", sha256="0" * 64))
