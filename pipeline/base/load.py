"""Base checkpoints from a diffusers folder, a single .safetensors file, or a hub name, as float32 modules.

A single file needs no network: SD 1.x's configurations and CLIP's vocabulary ship with the package, and files
that we write carry their own configurations in the header.
"""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.utils import logging as diffusers_logging
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer
from transformers.utils import logging as transformers_logging

from pipeline.base.families import (
    HEADER_KEY,
    SD1,
    Shapes,
    family_of_file,
    family_of_unet,
    sd1_configs,
    write_clip_tokenizer,
)
from pipeline.base.ldm_keys import VAE_PREFIX, ldm_key, vae_key
from pipeline.config.schemas import Base
from pipeline.errors import UserError
from pipeline.files.hashing import sha256_of_tree
from pipeline.files.safetensors_header import read_header

MODULES: dict[str, Any] = {"unet": UNet2DConditionModel, "vae": AutoencoderKL}

for quiet in (diffusers_logging, transformers_logging):
    quiet.set_verbosity_error()
    quiet.disable_progress_bar()


@dataclass
class BaseModel:
    """The parts of a checkpoint; `configs` are their configurations by part (unet, vae, text_encoder,
    scheduler).
    """

    tokenizer: CLIPTokenizer
    text_encoder: CLIPTextModel
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    configs: dict[str, dict[str, Any]]

    def to(self, device: torch.device) -> "BaseModel":
        for part in (self.text_encoder, self.unet, self.vae):
            part.to(device)
        return self


def load_base(config: Base) -> BaseModel:
    """Loads and checks; a missing, damaged or unfit checkpoint is a user error."""
    path = Path(config.path)
    _insist(path, config)
    model = _from_file(path) if path.is_file() else _from_folder(config)
    if config.vae:
        model.vae, model.configs["vae"] = load_vae(Path(config.vae))
    for part in (model.text_encoder, model.unet, model.vae):
        part.eval().requires_grad_(False)
    return model


def _insist(path: Path, config: Base) -> None:
    if config.sha256 and path.exists() and (found := sha256_of_tree(path)) != config.sha256:
        raise UserError(
            f"base.path {path} has changed since `compose` ran (hash {found}, not"
            f" {config.sha256}); run `dvc repro -f compose`, then `dvc repro`"
        )


def _from_folder(config: Base) -> BaseModel:
    """A local diffusers folder, or a hub name."""
    path = Path(config.path)
    if path.is_dir() and not (path / "model_index.json").is_file():
        raise UserError(
            f"base.path {path}: no model_index.json in it; it must be a"
            " diffusers folder, or a .safetensors file"
        )
    options = {"revision": config.revision} if config.revision and not path.is_dir() else {}
    try:
        unet_config = UNet2DConditionModel.load_config(config.path, subfolder="unet", **options)
        if (family := family_of_unet(unet_config)) != SD1:
            raise UserError(
                f"base.path {config.path} is {family}; this pipeline trains {SD1}: choose such a base"
            )
        text_encoder = CLIPTextModel.from_pretrained(
            config.path, subfolder="text_encoder", dtype=torch.float32, **options
        )
        tokenizer = CLIPTokenizer.from_pretrained(config.path, subfolder="tokenizer", **options)
        parts = {
            name: kind.from_pretrained(config.path, subfolder=name, torch_dtype=torch.float32, **options)
            for name, kind in MODULES.items()
        }
        scheduler = _scheduler_config(config.path, options)
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"base.path {config.path}: no such folder or file here that loads, nor a hub"
            f" name that can be fetched ({reason}); correct base.path"
        ) from error
    configs = {
        "unet": dict(parts["unet"].config), "vae": dict(parts["vae"].config),
        "text_encoder": text_encoder.config.to_dict(), "scheduler": scheduler,
    }  # fmt: skip
    return BaseModel(tokenizer, text_encoder, parts["unet"], parts["vae"], configs)


def _scheduler_config(path: str, options: dict[str, str]) -> dict[str, Any]:
    from diffusers import DDIMScheduler

    config: dict[str, Any] = DDIMScheduler.load_config(path, subfolder="scheduler", **options)
    return config


def _from_file(path: Path) -> BaseModel:
    """A single file in the original layout."""
    header = read_header(path)
    shapes = header.shapes
    family = family_of_file(shapes)
    if family != SD1:
        raise UserError(
            f"base.path {path} is {family or 'no checkpoint that is known here'};"
            f" this pipeline trains {SD1}: choose such a base"
        )
    model = outline(json.loads(header.metadata.get(HEADER_KEY, "{}")))
    for part, module in (("unet", model.unet), ("vae", model.vae), ("text_encoder", model.text_encoder)):
        _fill(module, part, path, shapes)
    return model


def outline(own: dict[str, Any]) -> BaseModel:
    """A base without weights, on the meta device. `own`: a header's HEADER_KEY, configs and tokenizer;
    SD 1.x's where they are not said.
    """
    configs = own.get("configs") or sd1_configs()
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(configs["unet"])
        vae = AutoencoderKL.from_config(configs["vae"])
        text_encoder = CLIPTextModel(CLIPTextConfig(**configs["text_encoder"]))
    return BaseModel(make_tokenizer(own.get("tokenizer")), text_encoder, unet, vae, configs)


def make_tokenizer(files: dict[str, str] | None) -> CLIPTokenizer:
    """From vocab.json and merges.txt by name; None gives CLIP's own, as SD 1.x uses it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if files is None:
            write_clip_tokenizer(folder)
        for file, text in (files or {}).items():
            (folder / file).write_text(text, encoding="utf-8")
        return CLIPTokenizer.from_pretrained(folder, model_max_length=77)


def load_vae(path: Path) -> tuple[AutoencoderKL, dict[str, Any]]:
    """A VAE of its own: a diffusers folder, or a .safetensors file in the original or diffusers layout."""
    if path.is_dir():
        vae = AutoencoderKL.from_pretrained(path, torch_dtype=torch.float32)
        return vae, dict(vae.config)
    if not path.is_file():
        raise UserError(f"base.vae {path}: no such file or folder; correct base.vae, or set it to null")
    shapes = read_header(path).shapes
    configs = sd1_configs()["vae"]
    with torch.device("meta"):
        vae = AutoencoderKL.from_config(configs)
    _fill(vae, "vae", path, shapes)
    return vae, configs


def _fill(module: nn.Module, part: str, path: Path, shapes: Shapes) -> None:
    """Puts the file's weights, as float32, into a module on the meta device; missing and misshapen ones are a
    user error.
    """
    keys = [key for key in module.state_dict() if not key.endswith("position_ids")]
    wanted = names_in_file(part, keys, shapes)
    absent = [name for name in wanted.values() if name not in shapes]
    if absent:
        raise UserError(
            f"{path}: {len(absent)} weights of the {part} are missing"
            f" ({', '.join(sorted(absent)[:3])} ...); it is not a whole {SD1} checkpoint"
        )
    expected = module.state_dict()
    weights: dict[str, Tensor] = {}
    with safe_open(path, "pt") as file:
        for key, name in wanted.items():
            tensor = file.get_tensor(name).float()
            if tensor.numel() != expected[key].numel():
                raise UserError(
                    f"{path}: {name} has the shape {tuple(tensor.shape)}, {SD1} has"
                    f" {tuple(expected[key].shape)}; choose another base"
                )
            weights[key] = tensor.reshape(expected[key].shape)
    module.load_state_dict(weights, strict=False, assign=True)
    _restore_position_ids(module)


def names_in_file(part: str, keys: list[str], shapes: Shapes) -> dict[str, str]:
    """Each key's name in this file: original layout; a VAE file of its own may lack the prefix, or be in
    diffusers'.
    """
    names = {key: ldm_key(part, key) for key in keys}
    if part != "vae" or any(name in shapes for name in names.values()):
        return names
    bare = {name: name.removeprefix(VAE_PREFIX) for name in names.values()}
    found = {vae_key(own): own for own in shapes} | {name: own for name, own in bare.items() if own in shapes}
    return {key: found.get(name, name) for key, name in names.items()}


def _restore_position_ids(module: nn.Module) -> None:
    """Buffers that no file needs to hold: 0..76."""
    for submodule in module.modules():
        if "position_ids" in submodule._buffers:
            ids = submodule._buffers["position_ids"]
            assert ids is not None
            submodule.register_buffer(
                "position_ids", torch.arange(ids.shape[-1]).expand(1, -1), persistent=False
            )
