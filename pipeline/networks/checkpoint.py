"""Full fine-tune: trains the base's own weights, all or chosen ones.

    W (of the base)  -->  W' (a copy, which learns)        at weight s: W + s (W' - W)

The file is a whole checkpoint in the original layout; what was not trained is as in the base. For every tool
it is another base. The base's own weights are set aside while the copies act, so that they are not lost.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor, nn

from pipeline.bases.base import Base
from pipeline.bases.clip_names import transformers_name
from pipeline.bases.facts import STABILITY
from pipeline.bases.origins import Origin, get
from pipeline.bases.parts import Part
from pipeline.bases.save import file_header, file_tensors
from pipeline.bases.single_file import as_there
from pipeline.device import leads
from pipeline.errors import UserError
from pipeline.files.damage import reporting_damage
from pipeline.files.safetensors_file import PRECISIONS
from pipeline.files.tensor_file import Stored, open_tensors
from pipeline.networks.base_family import stamped_architecture
from pipeline.networks.block_values import by_block
from pipeline.networks.sharding import whole
from pipeline.networks.trained import Trainable, set_lr_factor
from pipeline.schemas import CheckpointConfig

WeightSlot = tuple[nn.Module, str]
"""A module of the base, and its parameter's name there."""


class FullFineTune(nn.Module, Trainable):
    """Copies of weights by name: `unet.` or `text_encoder.`, then the weight's name in diffusers or
    transformers.
    """

    def __init__(self, base: Base, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        # In a list, so that the base is not a submodule: its other weights are neither trained nor moved.
        self._base = [base]
        self.names = tuple(weights)
        self.weights = nn.ParameterList(nn.Parameter(weight.detach().clone()) for weight in weights.values())
        self.network_weight = 1.0
        self._aside: dict[str, nn.Parameter] = {}

    @classmethod
    def create(cls, config: CheckpointConfig, base: Base, seed: int) -> "FullFineTune":  # noqa: ARG003
        """The base's weights unchanged; nothing is random. Raises UserError if none is chosen."""
        weights = base_weights(base)
        rates = rates_of(config, base, weights)
        if not rates:
            raise UserError(
                f"network.blocks {config.blocks}, include {config.include} and exclude {config.exclude}"
                f" leave no weight to train; names are like {next(iter(weights))}"
            )
        base.loaded()  # also reads the VAE, for the file, so that its errors come now
        dtype = PRECISIONS[config.weight_precision]
        made = cls(base, {name: weights[name].to(dtype) for name in rates})
        for name, parameter in made.trained():
            set_lr_factor(parameter, rates[name])
        return made

    @classmethod
    def load(cls, path: Path, base: Base) -> "FullFineTune":
        """The U-Net and the text encoder of a whole checkpoint in the original layout."""
        cure = "use the base that it was trained on"
        with reporting_damage(f"{path} does not fit this base", cure):
            tensors, weights = open_tensors(path).tensors, base_weights(base)
            copies = {
                name: _weight(tensors[origin.key], origin, weights[name].shape)
                for name, origin in _origins(base, list(weights), tensors).items()
            }
        return cls(base, copies).eval().requires_grad_(False)

    def trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        """The copies by name."""
        return zip(self.names, self.weights, strict=True)

    def num_modules(self) -> int:
        return len({name.rpartition(".")[0] for name in self.names})

    def part_parameters(self, part: Part) -> list[nn.Parameter]:
        return [weight for name, weight in self.trained() if name.partition(".")[0] == part.name]

    @contextmanager
    def attached(self, base: Base) -> Iterator[None]:
        """Inside, the copies replace the base's weights."""
        slots = slots_of(base)
        self._aside = {name: slots[name][0]._parameters[slots[name][1]] for name in self.names}  # type: ignore[misc]
        self._put(slots)
        try:
            yield
        finally:
            for name, weight in self._aside.items():
                module, leaf = slots[name]
                module._parameters[leaf] = weight
            self._aside = {}

    def _put(self, slots: Mapping[str, WeightSlot]) -> None:
        for name, weight in self.trained():
            module, leaf = slots[name]
            module._parameters[leaf] = weight if self.network_weight == 1 else self._between(name, weight)

    def _between(self, name: str, weight: Tensor) -> nn.Parameter:
        before = self._aside[name].to(weight.device)
        return nn.Parameter(weighted(before, weight.detach(), self.network_weight), requires_grad=False)

    def take_over(self) -> None:
        """Trains the weights that are in the base now: the attached copies, once they are split over several
        devices.
        """
        slots = slots_of(self._base[0])
        for number, name in enumerate(self.names):
            module, leaf = slots[name]
            weight = module.get_parameter(leaf)
            set_lr_factor(weight, getattr(self.weights[number], "rate_factor", 1.0))
            self.weights[number] = weight

    def set_weight(self, weight: float) -> None:
        """At 1 the copies themselves act and can learn; at 0 the base's weights act."""
        self.network_weight = weight
        if self._aside:
            self._put(slots_of(self._base[0]))

    def file_tensors(self, precision: str) -> dict[str, Tensor]:
        """The whole checkpoint, with the copies in it; none if another process has them whole."""
        dtype, base = PRECISIONS[precision], self._base[0]
        copies = {name: whole(weight.detach()).to("cpu", dtype, copy=True) for name, weight in self.trained()}
        return file_tensors(base, dtype, copies) if leads() else {}

    def metadata(self) -> dict[str, str]:
        base = self._base[0]
        spec = {"architecture": stamped_architecture(base), "implementation": STABILITY}
        return {**{f"modelspec.{key}": value for key, value in spec.items()}, **file_header(base)}


def weighted(before: Tensor, after: Tensor, strength: float) -> Tensor:
    """W + s (W' - W); exactly W' at s = 1."""
    return after if strength == 1 else before + strength * (after - before)


def base_weights(base: Base) -> dict[str, Tensor]:
    """All weights that can be trained, by name."""
    return {name: module.get_parameter(leaf) for name, (module, leaf) in slots_of(base).items()}


def slots_of(base: Base) -> dict[str, WeightSlot]:
    """The place of each weight in the base, by name."""
    return {
        f"{part}.{_long(base, part, f'{place}.{leaf}'.lstrip('.'))}": (module, leaf)
        for part, root in base.trained_parts().items()
        for place, module in root.named_modules()
        for leaf, _ in module.named_parameters(recurse=False)
    }


def rates_of(config: CheckpointConfig, base: Base, names: Iterable[str]) -> dict[str, float]:
    """Of the weights that are trained, the factor on the part's lr."""
    return {name: rate for name in names if (rate := _rate(name, config, base))}


def _long(base: Base, part: str, key: str) -> str:
    return transformers_name(key) if base.family.part(part).library == "transformers" else key


def _weight(stored: Stored, origin: Origin, shape: Sequence[int]) -> Tensor:
    return get(origin, stored.read().float().reshape(stored.shape), shape)


def _origins(base: Base, names: list[str], there: Collection[str]) -> dict[str, Origin]:
    """The places of the weights in a file, which may use old names."""
    places: dict[str, Origin] = {}
    for part in base.trained_parts():
        own = {name: name.partition(".")[2] for name in names if name.startswith(f"{part}.")}
        origins = {name: base.family.origin(part, key, base.configs) for name, key in own.items()}
        places |= as_there(base.family.part(part), origins, there)
    return places


def _rate(name: str, config: CheckpointConfig, base: Base) -> float:
    """The factor on the part's lr; 0 if the weight is not trained."""
    part, _, key = name.partition(".")
    included = not config.include or any(re.search(pattern, name) for pattern in config.include)
    if not included or any(re.search(pattern, name) for pattern in config.exclude):
        return 0.0
    if part != base.family.denoiser.name:
        return float(config.text_encoder)
    block = base.family.block_of(base.family.origin(part, key, base.configs).key)
    chosen = config.unet and (config.blocks is None or block in config.blocks)
    blocks = base.family.blocks_of(base.configs)
    return by_block(config.block_rates, 1.0, blocks)[str(block)] if chosen else 0.0
