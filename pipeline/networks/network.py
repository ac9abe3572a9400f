"""A network of adapters: one small module on each layer that it changes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.bases.base import Base
from pipeline.bases.layers import changeable_modules
from pipeline.bases.parts import Part
from pipeline.errors import UserError
from pipeline.files.safetensors_file import PRECISIONS
from pipeline.networks.adapter import Adapter
from pipeline.networks.algorithms import ALGORITHMS, reader_of
from pipeline.networks.fitting import MisfitError, fitted
from pipeline.networks.layers import TargetLayer, target_layers
from pipeline.networks.network_files import grouped, read_weights
from pipeline.networks.network_header import network_header
from pipeline.networks.trained import CompanionFile, Trainable, set_lr_factor
from pipeline.schemas import AdapterNetworkConfig


class AdapterNetwork(nn.ModuleDict, Trainable):
    """Adapters by the file's module names. While attached, they change the frozen layers' outputs."""

    config: AdapterNetworkConfig | None = None
    """The settings that made it; None if it comes from a file."""

    @classmethod
    def create(cls, config: AdapterNetworkConfig, base: Base, seed: int) -> "AdapterNetwork":
        """New adapters for the chosen layers; the seed alone decides their start."""
        algorithm = ALGORITHMS[config.name]
        chosen = target_layers(config, algorithm, base)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            made = cls({name: _fresh(algorithm, place, config) for name, place in chosen.items()})
        made.config = config
        if config.initial:
            made.continue_from(Path(config.initial))
        return made

    @classmethod
    def load(cls, path: Path, base: Base) -> "AdapterNetwork":
        """From a file in the layout of sd-scripts, LyCORIS or diffusers. Raises UserError if it is damaged or
        belongs to another base.
        """
        targets = changeable_modules(base)
        by_module = grouped(read_weights(path))
        if unknown := sorted(by_module.keys() - targets.keys()):
            raise UserError(
                f"{path}: {len(unknown)} of its modules are not in this base"
                f" ({', '.join(unknown[:3])} ...); it belongs to another family"
            )
        try:
            made = {
                name: fitted(_reader(path, name, weights), targets[name], weights)
                for name, weights in sorted(by_module.items())
            }
        except MisfitError as error:
            raise UserError(
                f"{path} does not fit this base ({error}); use the base that it was trained on"
            ) from error
        for name, adapter in made.items():
            if adapter.bias_change is not None and getattr(targets[name], "bias", None) is None:
                raise UserError(f"{path}: {name} changes a bias that this base lacks; use another base")
        return cls(made).eval()

    def continue_from(self, path: Path) -> None:
        """Loads the weights of a file; all its modules must exist here with the same shapes."""
        ours = self.state_dict()
        theirs = read_weights(path)
        problems = [f"{key} is not trained here" for key in theirs.keys() - ours.keys()]
        problems += [
            f"{key} is {list(theirs[key].shape)}, here {list(value.shape)}"
            for key, value in ours.items()
            if key in theirs and theirs[key].shape != value.shape
        ]
        problems += [
            f"{key} is {float(theirs[key]):g}, here {float(value):g}"
            for key, value in ours.items()
            if key.endswith(".alpha")
            and key in theirs
            and abs(float(theirs[key]) - float(value)) > 1e-3 * value
        ]
        if problems:
            raise UserError(
                f"network.initial {path} does not match this network ({len(problems)} differences:"
                f" {'; '.join(sorted(problems)[:3])}); set network.name, dim, alpha and"
                " the layers to those that it was trained with"
            )
        self.load_state_dict(
            {**ours, **{key: theirs[key].float() for key in theirs if not key.endswith(".alpha")}}
        )

    def adapters(self) -> Iterator[tuple[str, Adapter]]:
        for name, adapter in self.items():
            assert isinstance(adapter, Adapter)
            yield name, adapter

    def num_modules(self) -> int:
        return len(self)

    def part_parameters(self, part: Part) -> list[nn.Parameter]:
        """Trainable parameters of the part's adapters."""
        assert part.layer_prefix
        return [
            parameter
            for name, adapter in self.items()
            if name.startswith(part.layer_prefix)
            for parameter in adapter.parameters()
        ]

    def set_weight(self, weight: float) -> None:
        for _, adapter in self.adapters():
            adapter.network_weight = weight

    @contextmanager
    def attached(self, base: Base) -> Iterator[None]:
        """Inside, the adapters change the layers' outputs."""
        targets = base.changeable
        before = {name: targets[name].__dict__.get("forward") for name in self}
        try:
            for name, adapter in self.adapters():
                layer = targets[name]
                layer.forward = partial(adapter.with_bias, frozen=layer.forward)  # type: ignore[method-assign]
            yield
        finally:
            for name, forward in before.items():
                targets[name].__dict__.pop("forward", None)
                if forward is not None:
                    targets[name].forward = forward  # type: ignore[method-assign]

    @contextmanager
    def switched_off(self) -> Iterator[None]:
        """Inside, the base that it is attached to answers as without it."""
        adapters = [adapter for _, adapter in self.adapters()]
        for adapter in adapters:
            adapter.is_on = False
        try:
            yield
        finally:
            for adapter in adapters:
                adapter.is_on = True

    def file_tensors(self, precision: str) -> dict[str, Tensor]:
        """The content of a file: copies in `fp16`, `bf16` or `fp32` by `<module>.<weight>`."""
        return _copies(self.state_dict(), precision)

    def metadata(self) -> dict[str, str]:
        return network_header(self.config) if self.config else {}

    def companion_files(self, precision: str) -> dict[str, CompanionFile]:
        if self.config is None:
            return {}
        files = ALGORITHMS[self.config.name].companion_files(dict(self.adapters()), self.config)
        return {
            end: CompanionFile(_copies(file.tensors, precision), file.metadata) for end, file in files.items()
        }

    def before_step(self, seed: int) -> None:
        """Dropout uses torch's own generator, which activation checkpointing restores."""
        if self.config is None:
            return
        ALGORITHMS[self.config.name].begin_step((each for _, each in self.adapters()), self.config, seed)
        if self.config.dropout or self.config.rank_dropout or self.config.module_dropout:
            torch.manual_seed(seed)

    @torch.no_grad()
    def after_step(self) -> None:
        """Limits every layer's change, with DoRA the one before it, to max_norm (kohya-ss/sd-scripts
        networks/lora.py, apply_max_norm_regularization). The norms stay on the device: no layer waits.
        """
        if self.config is None or self.config.max_norm is None:
            return
        for _, adapter in self.adapters():
            is_dora = adapter.dora_scale is not None
            norm = (adapter.change() if is_dora else adapter.delta(adapter.layer.weight)).norm().double()
            adapter.shrink(torch.where(norm > self.config.max_norm, self.config.max_norm / norm, 1.0))


def _fresh(algorithm: type[Adapter], place: TargetLayer, config: AdapterNetworkConfig) -> Adapter:
    adapter = algorithm.from_config(place.module, place.settings)
    adapter.dropout, adapter.rank_dropout = config.dropout, config.rank_dropout
    adapter.module_dropout = config.module_dropout
    if config.dora:
        adapter.decompose()
    for name, parameter in adapter.named_parameters():
        plus = config.lora_plus_ratio if name in adapter.from_zero else 1.0
        set_lr_factor(parameter, place.lr_factor * plus)
    return adapter


def _reader(path: Path, name: str, weights: Mapping[str, Tensor]) -> type[Adapter]:
    reader = reader_of(weights)
    if reader is None:
        raise UserError(f"{path}: {name} has {', '.join(sorted(weights)[:4])}, which no known algorithm uses")
    return reader


def _copies(weights: Mapping[str, Tensor], precision: str) -> dict[str, Tensor]:
    dtype = PRECISIONS[precision]
    return {key: value.detach().to("cpu", dtype, copy=True) for key, value in weights.items()}
