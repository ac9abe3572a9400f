"""Base checkpoints from a diffusers folder, a single .safetensors file, or a hub name, as float32 modules.

A single file needs no network: SD 1.x's configurations and CLIP's vocabulary ship with the package, and files
that we write carry their own configurations in the header.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from math import prod
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
from pipeline.files.hub_names import NO_NETWORK, reason_of
from pipeline.files.known_hashes import sha256_of_model
from pipeline.files.safetensors_header import read_header

MODULES: dict[str, Any] = {"unet": UNet2DConditionModel, "vae": AutoencoderKL}

for quiet in (diffusers_logging, transformers_logging):
    quiet.set_verbosity_error()
    quiet.disable_progress_bar()


Part = nn.Module | Callable[[], nn.Module]
"""A part of a checkpoint, or what reads it."""


class BaseModel:
    """The parts of a checkpoint; `configs` are their configurations by part (unet, vae, text_encoder,
    scheduler). A part that is given as a function is read when it is first asked for: a training on kept
    latents needs no VAE, the encoding of pictures nothing else.
    """

    def __init__(
        self,
        tokenizer: CLIPTokenizer,
        text_encoder: Part,
        unet: Part,
        vae: Part,
        configs: dict[str, dict[str, Any]],
    ) -> None:
        self.tokenizer, self.configs = tokenizer, configs
        self._parts = {"text_encoder": text_encoder, "unet": unet, "vae": vae}
        self._device: torch.device | None = None

    @property
    def text_encoder(self) -> CLIPTextModel:
        return self._part("text_encoder")

    @property
    def unet(self) -> UNet2DConditionModel:
        return self._part("unet")

    @property
    def vae(self) -> AutoencoderKL:
        return self._part("vae")

    def _part(self, name: str) -> Any:
        part = self._parts[name]
        if not isinstance(part, nn.Module):
            part = self._parts[name] = part().eval().requires_grad_(False)
            if self._device:
                part.to(self._device)
        return part

    def to(self, device: torch.device) -> "BaseModel":
        self._device = device
        for part in self._parts.values():
            if isinstance(part, nn.Module):
                part.to(device)
        return self

    def with_vae(self, vae: Part, config: dict[str, Any]) -> "BaseModel":
        return BaseModel(
            self.tokenizer,
            self._parts["text_encoder"],
            self._parts["unet"],
            vae,
            {**self.configs, "vae": config},
        )


def load_base(config: Base) -> BaseModel:
    """Loads and checks; a missing, damaged or unfit checkpoint is a user error."""
    path = Path(config.path)
    _insist(path, config)
    model = _from_file(path) if path.is_file() else _from_folder(config)
    return model.with_vae(*load_vae(Path(config.vae))) if config.vae else model


def _insist(path: Path, config: Base) -> None:
    if config.sha256 and path.exists() and (found := sha256_of_model(path)) != config.sha256:
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
    with _failures_told(config.path):
        unet_config = UNet2DConditionModel.load_config(config.path, subfolder="unet", **options)
        if (family := family_of_unet(unet_config)) != SD1:
            raise UserError(
                f"base.path {config.path} is {family}; this pipeline trains {SD1}: choose such a base"
            )
        vae_config = AutoencoderKL.load_config(config.path, subfolder="vae", **options)
        text_config = CLIPTextConfig.from_pretrained(config.path, subfolder="text_encoder", **options)
        tokenizer = CLIPTokenizer.from_pretrained(config.path, subfolder="tokenizer", **options)
        scheduler = _scheduler_config(config.path, options)
    with torch.device("meta"):  # the classes fill in what a file leaves out
        unet, vae = UNet2DConditionModel.from_config(unet_config), AutoencoderKL.from_config(vae_config)
    configs = {
        "unet": dict(unet.config), "vae": dict(vae.config),
        "text_encoder": text_config.to_dict(), "scheduler": scheduler,
    }  # fmt: skip

    def reads(name: str) -> Callable[[], nn.Module]:
        return partial(_read_part, name, config.path, options)

    return BaseModel(tokenizer, reads("text_encoder"), reads("unet"), reads("vae"), configs)


def _read_part(name: str, path: str, options: dict[str, str]) -> nn.Module:
    with _failures_told(path):
        if name == "text_encoder":
            text_encoder: nn.Module = CLIPTextModel.from_pretrained(
                path, subfolder=name, dtype=torch.float32, **options
            )
            return text_encoder
        part: nn.Module = MODULES[name].from_pretrained(
            path, subfolder=name, torch_dtype=torch.float32, **options
        )
        return part


@contextmanager
def _failures_told(path: str) -> Iterator[None]:
    """What fails to load within is the user's to mend."""
    try:
        yield
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        reason = reason_of(error)
        if reason == NO_NETWORK:
            raise UserError(
                f"base.path {path} is not in the hub's cache, and {reason}; connect to it once, or put the"
                " base here and name its file or folder"
            ) from error
        raise UserError(
            f"base.path {path}: no such folder or file here that loads, nor a hub"
            f" name that can be fetched ({reason}); correct base.path"
        ) from error


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

    def reads(part: str, module: nn.Module) -> Callable[[], nn.Module]:
        return partial(_filled, module, path, _names_of(module, part, path, shapes))

    return BaseModel(
        model.tokenizer,
        reads("text_encoder", model.text_encoder),
        reads("unet", model.unet),
        reads("vae", model.vae),
        model.configs,
    )


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


def load_vae(path: Path) -> tuple[Part, dict[str, Any]]:
    """A VAE of its own, or what reads it: a diffusers folder, or a .safetensors file in the original or
    diffusers layout.
    """
    if path.is_dir():
        vae = AutoencoderKL.from_pretrained(path, torch_dtype=torch.float32)
        return vae, dict(vae.config)
    if not path.is_file():
        raise UserError(f"base.vae {path}: no such file or folder; correct base.vae, or set it to null")
    shapes = read_header(path).shapes
    configs = sd1_configs()["vae"]
    with torch.device("meta"):
        vae = AutoencoderKL.from_config(configs)
    return partial(_filled, vae, path, _names_of(vae, "vae", path, shapes)), configs


def _names_of(module: nn.Module, part: str, path: Path, shapes: Shapes) -> dict[str, str]:
    """Each weight's name in the file; missing and misshapen ones are a user error."""
    expected = {
        key: tensor for key, tensor in module.state_dict().items() if not key.endswith("position_ids")
    }
    wanted = names_in_file(part, list(expected), shapes)
    absent = [name for name in wanted.values() if name not in shapes]
    if absent:
        raise UserError(
            f"{path}: {len(absent)} weights of the {part} are missing"
            f" ({', '.join(sorted(absent)[:3])} ...); it is not a whole {SD1} checkpoint"
        )
    for key, name in wanted.items():
        if prod(shapes[name]) != expected[key].numel():
            raise UserError(
                f"{path}: {name} has the shape {shapes[name]}, {SD1} has"
                f" {tuple(expected[key].shape)}; choose another base"
            )
    return wanted


def _filled(module: nn.Module, path: Path, names: dict[str, str]) -> nn.Module:
    """The module, which was on the meta device, with the file's weights as float32."""
    shapes = {key: tensor.shape for key, tensor in module.state_dict().items()}
    with safe_open(path, "pt") as file:
        weights: dict[str, Tensor] = {
            key: file.get_tensor(name).float().reshape(shapes[key]) for key, name in names.items()
        }
    module.load_state_dict(weights, strict=False, assign=True)
    _restore_position_ids(module)
    return module


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
