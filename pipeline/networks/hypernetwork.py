"""Hypernetwork (Kurumuz 2022 at NovelAI; AUTOMATIC1111 modules/hypernetworks/hypernetwork.py): small MLPs
that change the context from which the U-Net's attention layers compute their keys and values.

    context --- + MLP_k(context) * weight ----> to_k (frozen)
            \\-- + MLP_v(context) * weight ----> to_v (frozen)

One pair of MLPs serves every attention layer whose context has its width: on SD 1.x 768 is the prompt in all
cross-attention, 320, 640 and 1280 are the picture in the self-attention of the three depths. Only widths
count, not kinds, as in A1111.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.bases.base import Base
from pipeline.bases.parts import Part
from pipeline.errors import UserError, nearest, warn
from pipeline.files.hypernetwork_file import (
    KEY_AND_VALUE,
    HypernetworkFile,
    MlpStructure,
    MlpWeights,
    hypernetwork_metadata,
    hypernetwork_tensors,
    read_hypernetwork,
    write_a1111,
)
from pipeline.files.safetensors_file import PRECISIONS
from pipeline.networks.base_family import stamped_architecture
from pipeline.networks.mlp import ACTIVATIONS, Mlp, start
from pipeline.networks.trained import Trainable
from pipeline.schemas import HypernetworkConfig


class Hypernetwork(nn.ModuleDict, Trainable):
    """Pairs of MLPs (for k, for v) by the width of the context, as text."""

    def __init__(self, structure: MlpStructure, widths: list[int]) -> None:
        super().__init__(
            {
                str(w): nn.ModuleDict({part: Mlp(w, structure) for part in KEY_AND_VALUE})
                for w in sorted(widths)
            }
        )
        self.structure, self.architecture = structure, "stable-diffusion-v1"

    @classmethod
    def create(
        cls,
        config: HypernetworkConfig,
        base: Base,
        seed: int,
    ) -> "Hypernetwork":
        """New MLPs for the requested widths, or all that the base has; the seed decides their start."""
        present = context_widths(base.denoiser)
        if absent := sorted(set(config.sizes or ()) - present):
            raise UserError(
                f"network.sizes: this base has no attention over a context of width"
                f" {', '.join(map(str, absent))}; it has {', '.join(map(str, sorted(present)))}"
            )
        structure = structure_of(config)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            made = cls(structure, list(config.sizes or present))
            made.architecture = stamped_architecture(base)
            for mlp in made.mlps():
                start(mlp, structure)
        return made

    @classmethod
    def load(cls, path: Path, base: Base) -> "Hypernetwork":
        """From A1111's .pt or our .safetensors, ready to draw with (no dropout). Raises UserError if the file
        is damaged or belongs to another base.
        """
        file = read_hypernetwork(path)
        if (name := file.structure.activation) not in ACTIVATIONS:
            raise UserError(f"{path}: unknown activation {name!r}; {nearest(name, ACTIVATIONS)}")
        _check_widths(path, set(file.layers), base.denoiser)
        made = cls(file.structure, list(file.layers))
        made.architecture = stamped_architecture(base)
        try:
            for width, pair in file.layers.items():
                for part, weights in zip(KEY_AND_VALUE, pair, strict=True):
                    made._mlp(width, part).load_state_dict(weights)
        except RuntimeError as error:
            raise UserError(
                f"{path}: its weights do not fit its own settings"
                f" ({' '.join(str(error).split())[:200]}); the file is damaged"
            ) from error
        return made.eval()

    def _mlp(self, width: int, part: str) -> Mlp:
        pair = self[str(width)]
        assert isinstance(pair, nn.ModuleDict)
        mlp = pair[part]
        assert isinstance(mlp, Mlp)
        return mlp

    def mlps(self) -> Iterator[Mlp]:
        return (self._mlp(int(width), part) for width in self for part in KEY_AND_VALUE)

    def part_parameters(self, part: Part) -> list[nn.Parameter]:
        """All learn at optimizer.lr."""
        return list(self.parameters()) if part.lr == "lr" else []

    def before_step(self, seed: int) -> None:
        """Dropout in the step depends on `seed` alone."""
        if any(self.structure.dropout_structure):
            torch.manual_seed(seed)

    def num_modules(self) -> int:
        """The number of MLPs."""
        return len(KEY_AND_VALUE) * len(self)

    def set_weight(self, weight: float) -> None:
        for mlp in self.mlps():
            mlp.network_weight = weight

    @contextmanager
    def attached(self, base: Base) -> Iterator[None]:
        """Inside, the attention layers take keys and values from the changed context. Several hypernetworks
        chain in the order of attaching; a LoRA on to_k or to_v gets the changed context.
        """
        with ExitStack() as stack:
            for attention in attentions(base.denoiser):
                for part, layer in zip(KEY_AND_VALUE, (attention.to_k, attention.to_v), strict=True):
                    assert isinstance(layer, nn.Linear)
                    if str(layer.in_features) in self:
                        hook = _changing(self._mlp(layer.in_features, part))
                        stack.callback(layer.register_forward_pre_hook(hook).remove)
            yield

    def write_other_layouts(self, stem: Path, step: int) -> None:
        """Writes the .pt that A1111 and ComfyUI open, in float32 like theirs."""
        write_a1111(stem.parent / f"{stem.name}.pt", replace(self.file("fp32"), facts={"step": step}))

    def file(self, precision: str) -> HypernetworkFile:
        """The content of a file: copies in `fp16`, `bf16` or `fp32`."""
        dtype = PRECISIONS[precision]

        def weights(width: int, part: str) -> MlpWeights:
            state = self._mlp(width, part).state_dict()
            return {key: value.detach().to("cpu", dtype, copy=True) for key, value in state.items()}

        layers = {int(width): (weights(int(width), "k"), weights(int(width), "v")) for width in self}
        return HypernetworkFile(self.structure, layers)

    def file_tensors(self, precision: str) -> dict[str, Tensor]:
        """The tensors of a .safetensors file."""
        return hypernetwork_tensors(self.file(precision).layers)

    def metadata(self) -> dict[str, str]:
        """The family's header entries."""
        return hypernetwork_metadata(self.structure, self.architecture)


def structure_of(config: HypernetworkConfig) -> MlpStructure:
    return MlpStructure(
        layer_structure=tuple(config.layer_structure),
        activation=config.activation,
        activate_output=config.activate_output,
        use_layer_norm=config.use_layer_norm,
        weight_init=config.weight_init,
        dropout_structure=tuple(config.dropout_structure or [0.0] * len(config.layer_structure)),
    )


def attentions(unet: nn.Module) -> Iterator[Any]:
    """Every attention layer of a diffusers U-Net."""
    return (module for module in unet.modules() if type(module).__name__ == "Attention")


def context_widths(unet: nn.Module) -> set[int]:
    """Widths of the attention layers' contexts: 320, 640, 768, 1280 on SD 1.x."""
    return {attention.to_k.in_features for attention in attentions(unet)}


def _changing(mlp: Mlp) -> Callable[[nn.Module, tuple[Tensor]], Tensor]:
    def hook(layer: nn.Module, inputs: tuple[Tensor]) -> Tensor:  # noqa: ARG001
        changed: Tensor = mlp(inputs[0])
        return changed

    return hook


def _check_widths(path: Path, in_file: set[int], unet: nn.Module) -> None:
    """A file without the prompt's width but with one that this base lacks belongs to another family (SD 2.x:
    1024); other extra widths only cause a warning.
    """
    prompt = {a.to_k.in_features for a in attentions(unet) if a.to_k.in_features != a.to_q.in_features}
    extra = sorted(in_file - context_widths(unet))
    if extra and not in_file & (prompt or context_widths(unet)):
        raise UserError(
            f"{path} changes contexts of width {', '.join(map(str, sorted(in_file)))}, this base has"
            f" {', '.join(map(str, sorted(context_widths(unet))))}; use the base that it was trained on"
        )
    if extra:
        warn(f"{path}: its layers for width {', '.join(map(str, extra))} have nothing to change in this base")
