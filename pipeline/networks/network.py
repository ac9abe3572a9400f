"""A trained or trainable network: one small module beside each layer that it changes, and the registry of
algorithms.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from pipeline.config.schemas import Network as NetworkConfig
from pipeline.errors import UserError
from pipeline.files.safetensors_file import PRECISIONS
from pipeline.networks.lora import Lora
from pipeline.networks.targets import TEXT_PREFIX, UNET_PREFIX, text_encoder_targets, unet_targets

ALGORITHMS = {"lora": Lora}

Adapter = Lora


class Network(nn.ModuleDict):
    """Adapters by the file's module names. Attached, they add to the frozen layers' outputs."""

    @classmethod
    def create(cls, config: NetworkConfig, unet: nn.Module, text_encoder: nn.Module, seed: int) -> "Network":
        """Fresh adapters for the chosen parts; the seed decides their start, whatever was drawn before."""
        algorithm = ALGORITHMS[config.name]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            chosen = {
                **(unet_targets(unet) if config.unet else {}),
                **(text_encoder_targets(text_encoder) if config.text_encoder else {}),
            }
            return cls({name: algorithm.from_config(module, config) for name, module in chosen.items()})

    @classmethod
    def load(cls, path: Path, unet: nn.Module, text_encoder: nn.Module) -> "Network":
        """From a file in sd-scripts' layout; one that is damaged or belongs to another base is a user
        error.
        """
        targets = {**unet_targets(unet), **text_encoder_targets(text_encoder)}
        by_module = _by_module(read_weights(path))
        if unknown := sorted(by_module.keys() - targets.keys()):
            raise UserError(
                f"{path}: {len(unknown)} of its modules are not in this base"
                f" ({', '.join(unknown[:3])} ...); it belongs to another family"
            )
        try:
            return cls(
                {
                    name: Lora.from_weights(targets[name], weights)
                    for name, weights in sorted(by_module.items())
                }
            )
        except (RuntimeError, KeyError) as error:
            raise UserError(
                f"{path} does not fit this base"
                f" ({' '.join(str(error).split())[:200]}); use the base that it was trained on"
            ) from error

    def adapters(self) -> Iterator[tuple[str, Adapter]]:
        for name, adapter in self.items():
            assert isinstance(adapter, Lora)
            yield name, adapter

    def part_parameters(self, prefix: str) -> list[nn.Parameter]:
        """Trainable parameters of the U-Net's (`lora_unet_`) or the text encoder's (`lora_te_`) adapters."""
        return [
            parameter
            for name, adapter in self.items()
            if name.startswith(prefix)
            for parameter in adapter.parameters()
        ]

    def set_multiplier(self, multiplier: float) -> None:
        for _, adapter in self.adapters():
            adapter.multiplier = multiplier

    @contextmanager
    def attached(self, unet: nn.Module, text_encoder: nn.Module) -> Iterator[None]:
        """Inside, the layers answer with their adapters' update added."""
        targets = {**unet_targets(unet), **text_encoder_targets(text_encoder)}
        try:
            for name, adapter in self.adapters():
                _attach(targets[name], adapter)
            yield
        finally:
            for name in self:
                targets[name].__dict__.pop("forward", None)

    def file_tensors(self, precision: str) -> dict[str, Tensor]:
        """What a file holds: copies in `fp16`, `bf16` or `fp32` by `<module>.<weight>`."""
        dtype = PRECISIONS[precision]
        return {key: value.detach().to("cpu", dtype, copy=True) for key, value in self.state_dict().items()}


def _attach(layer: nn.Module, adapter: Adapter) -> None:
    frozen = layer.forward

    def forward(x: Tensor) -> Tensor:
        result: Tensor = frozen(x)
        return result + adapter.update(x)

    layer.forward = forward  # type: ignore[method-assign]


def epoch_files(folder: Path) -> dict[int, Path]:
    """`<name>-<epoch>.safetensors` files by epoch, in order."""
    files = sorted(folder.glob("*-[0-9][0-9][0-9][0-9][0-9][0-9].safetensors"))
    return {int(file.stem.rpartition("-")[2]): file for file in files}


def read_weights(path: Path) -> dict[str, Tensor]:
    """All tensors of a .safetensors file."""
    if not path.is_file():
        raise UserError(f"{path}: no such network file")
    try:
        with safe_open(path, "pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise UserError(f"{path} is not a readable .safetensors file ({error})") from error


def _by_module(weights: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """`lora_unet_x.lora_up.weight` -> {lora_unet_x: {lora_up.weight: ...}}."""
    grouped: dict[str, dict[str, Tensor]] = {}
    for key, tensor in weights.items():
        module, _, leaf = key.partition(".")
        grouped.setdefault(module, {})[leaf] = tensor
    return grouped


__all__ = ["ALGORITHMS", "TEXT_PREFIX", "UNET_PREFIX", "Network", "read_weights"]
