"""Base checkpoints from a diffusers folder, a single .safetensors or .ckpt file, or a hub name, as float32
modules.

A single file needs no network: SD 1.x's configurations and CLIP's vocabulary ship with the package, and files
that we write carry their own configurations in the header.
"""

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
from pipeline.base.part_schemas import PARTS
from pipeline.base.single_file import alone, names_there, outline_of, say_averaged, why_absent
from pipeline.base.stated import checked, stated, tokenizer_texts
from pipeline.config.schemas import Base
from pipeline.errors import UserError
from pipeline.files.damage import damage_told, is_of_the_file, reason_of
from pipeline.files.hub_names import NO_NETWORK
from pipeline.files.hub_names import reason_of as reason_of_hub
from pipeline.files.known_hashes import sha256_of_model
from pipeline.files.tensor_file import open_tensors

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
    model = _from_file(path, not config.vae) if path.is_file() else _from_folder(config)
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
        text_config, _ = CLIPTextConfig.get_config_dict(config.path, subfolder="text_encoder", **options)
        scheduler = _scheduler_config(config.path, options)
    given = {"unet": unet_config, "vae": vae_config, "text_encoder": text_config, "scheduler": scheduler}
    for part, values in given.items():
        checked(part, values, f"base.path {config.path}")
    with _failures_told(config.path):
        text_encoder = CLIPTextConfig.from_pretrained(config.path, subfolder="text_encoder", **options)
        tokenizer = CLIPTokenizer.from_pretrained(config.path, subfolder="tokenizer", **options)
        with torch.device("meta"):  # the classes fill in what a file leaves out
            unet, vae = UNet2DConditionModel.from_config(unet_config), AutoencoderKL.from_config(vae_config)
    _insist_on_known_tokens(tokenizer, text_encoder.vocab_size, f"base.path {config.path}")
    configs = {
        "unet": dict(unet.config), "vae": dict(vae.config),
        "text_encoder": text_encoder.to_dict(), "scheduler": scheduler,
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
    except UserError:
        raise
    except BaseException as error:
        if not is_of_the_file(error):
            raise
        if reason_of_hub(error) == NO_NETWORK:
            raise UserError(
                f"base.path {path} is not in the hub's cache, and {NO_NETWORK}; connect to it once, or put"
                " the base here and name its file or folder"
            ) from error
        raise UserError(
            f"base.path {path}: no such folder or file here that loads, nor a hub name that can be fetched"
            f" ({reason_of(error)}); correct base.path, or fetch it again"
        ) from error


def _scheduler_config(path: str, options: dict[str, str]) -> dict[str, Any]:
    from diffusers import DDIMScheduler

    config: dict[str, Any] = DDIMScheduler.load_config(path, subfolder="scheduler", **options)
    return config


def _from_file(path: Path, own_vae: bool) -> BaseModel:
    """A single file in the original layout; its VAE is looked for where `own_vae`."""
    header = outline_of(path)
    shapes = header.shapes
    family = family_of_file(shapes) or alone(shapes)
    if family != SD1:
        raise UserError(
            f"base.path {path} is {family or 'no checkpoint that is known here'};"
            f" this pipeline trains {SD1}: choose such a base"
        )
    model = outline(stated(header.metadata.get(HEADER_KEY), f"base.path {path}"), f"base.path {path}")

    def reads(part: str, module: nn.Module) -> Callable[[], nn.Module]:
        return partial(_filled, module, path, _names_of(module, part, path, shapes))

    return BaseModel(
        model.tokenizer,
        reads("text_encoder", model.text_encoder),
        reads("unet", model.unet),
        reads("vae", model.vae) if own_vae else model.vae,
        model.configs,
    )


def outline(own: dict[str, Any], origin: str) -> BaseModel:
    """A base without weights, on the meta device. `own`: what a header states (`stated`); SD 1.x's where it
    states nothing. `origin` names the file in errors.
    """
    configs = own.get("configs") or sd1_configs()
    if absent := [part for part in PARTS if part not in configs]:
        raise UserError(
            f"{origin}: its configs lack {', '.join(absent)}; the file is damaged: fetch it again"
        )
    with damage_told(f"{origin}: no {SD1} can be built of its configs"), torch.device("meta"):
        unet = UNet2DConditionModel.from_config(configs["unet"])
        vae = AutoencoderKL.from_config(configs["vae"])
        text_encoder = CLIPTextModel(CLIPTextConfig(**configs["text_encoder"]))
    tokenizer = make_tokenizer(own.get("tokenizer"), origin)
    _insist_on_known_tokens(tokenizer, text_encoder.config.vocab_size, origin)
    return BaseModel(tokenizer, text_encoder, unet, vae, configs)


def make_tokenizer(files: dict[str, str] | None, origin: str = "the base") -> CLIPTokenizer:
    """From the texts of vocab.json and merges.txt, the two names that are taken; None gives CLIP's own, as
    SD 1.x uses it.
    """
    texts = {} if files is None else tokenizer_texts(files, origin)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if files is None:
            write_clip_tokenizer(folder)
        for file, text in texts.items():
            (folder / file).write_text(text, encoding="utf-8")
        with damage_told(f"{origin}: its tokenizer cannot be read"):
            return CLIPTokenizer.from_pretrained(folder, model_max_length=77)


def _insist_on_known_tokens(tokenizer: CLIPTokenizer, rows: int, origin: str) -> None:
    """A token beyond the text encoder's table would end in an index error in the middle of a run."""
    if (largest := max(tokenizer.get_vocab().values(), default=0)) >= rows:
        raise UserError(
            f"{origin}: its tokenizer has the token {largest}, its text encoder {rows} rows: they do not"
            " belong together; fetch it again"
        )


def load_vae(path: Path) -> tuple[Part, dict[str, Any]]:
    """A VAE of its own, or what reads it: a diffusers folder, or a .safetensors, .ckpt or .pt file in the
    original or diffusers layout.
    """
    if path.is_dir():
        with damage_told(
            f"base.vae {path}: no folder of a VAE that loads", "correct base.vae, or fetch it again"
        ):
            checked("vae", AutoencoderKL.load_config(path), f"base.vae {path}")
            vae = AutoencoderKL.from_pretrained(path, torch_dtype=torch.float32)
        return vae, dict(vae.config)
    if not path.is_file():
        raise UserError(f"base.vae {path}: no such file or folder; correct base.vae, or set it to null")
    shapes = outline_of(path).shapes
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
    say_averaged(path, wanted.values())
    absent = [name for name in wanted.values() if name not in shapes]
    if absent and (reason := why_absent(part, shapes)):
        raise UserError(f"{path} {reason}")
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
    with damage_told(f"{path} is not a readable checkpoint"):
        tensors = open_tensors(path).tensors
        weights: dict[str, Tensor] = {
            key: tensors[name].read().float().reshape(shapes[key]) for key, name in names.items()
        }
    module.load_state_dict(weights, strict=False, assign=True)
    _restore_position_ids(module)
    return module


def names_in_file(part: str, keys: list[str], shapes: Shapes) -> dict[str, str]:
    """Each key's name in this file: original layout, old names too (pipeline/base/single_file.py); a VAE file
    of its own may lack the prefix, or be in diffusers'.
    """
    names = dict(zip(keys, names_there(part, (ldm_key(part, key) for key in keys), shapes), strict=True))
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
