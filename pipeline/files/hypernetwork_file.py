"""Hypernetwork files: AUTOMATIC1111's .pt, which A1111 and ComfyUI open, and a .safetensors with the same
content that cannot run code (modules/hypernetworks/hypernetwork.py, Hypernetwork.save and load).

.pt: {width: (weights of k, weights of v), ..., layer_structure, activation_func, ...}; the weights are those
of an MLP, `linear.N.weight` and `linear.N.bias`, N its index among linears, activations, norms and dropouts.
.safetensors: `<width>.k.linear.N.weight` ..., the settings as JSON in the header.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from pipeline.errors import UserError
from pipeline.files.damage import reporting_damage
from pipeline.files.finite import insist_on_finite
from pipeline.files.json_text import parse_json
from pipeline.files.kinds import HYPERNETWORK_KEY
from pipeline.files.pickled import read_pickled, write_pickled
from pipeline.files.safetensors_file import read_safetensors
from pipeline.number_text import whole_number

KEY_AND_VALUE = ("k", "v")
OLD_KEYS = {"linear1": "linear.0", "linear2": "linear.1"}
"""Names in A1111's first files (fix_old_state_dict)."""
MOST_LAYERS, MOST_WIDTH = 64, 1 << 15
MlpWeights = dict[str, Tensor]


@dataclass(frozen=True)
class MlpStructure:
    """How each MLP is built. `layer_structure`: widths as multiples of the context's, from 1 to 1;
    `dropout_structure`: the rate after the linear that leads to each of these widths.
    """

    layer_structure: tuple[float, ...]
    activation: str
    activate_output: bool
    use_layer_norm: bool
    weight_init: str
    dropout_structure: tuple[float, ...]


@dataclass(frozen=True)
class HypernetworkFile:
    """Weights (of k, of v) by the width of the context that they change; `facts` are A1111's name, step,
    sd_checkpoint and sd_checkpoint_name.
    """

    structure: MlpStructure
    layers: dict[int, tuple[MlpWeights, MlpWeights]]
    facts: dict[str, Any] = field(default_factory=dict)


def read_hypernetwork(path: Path) -> HypernetworkFile:
    """Either layout. Raises UserError for a damaged file or one of another kind."""
    with reporting_damage(f"{path} is not a readable hypernetwork"):
        file = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pt(path)
        _insist_on_its_bounds(path, file)
        for width, pair in file.layers.items():
            for part, weights in zip(KEY_AND_VALUE, pair, strict=True):
                insist_on_finite(path, {f"{width}.{part}.{name}": each for name, each in weights.items()})
        return file


def _insist_on_its_bounds(path: Path, file: HypernetworkFile) -> None:
    """Checks the file's own settings, since they determine the size of its layers."""
    made = file.structure
    multiples, rates = made.layer_structure, made.dropout_structure
    sound = (
        _is_numbers(multiples) and _is_numbers(rates) and 1 < len(multiples) <= MOST_LAYERS
        and len(rates) == len(multiples) and all(0 < each <= MOST_LAYERS for each in multiples)
        and all(0 <= each < 1 for each in rates) and all(0 < width <= MOST_WIDTH for width in file.layers)
        and all(isinstance(flag, bool) for flag in (made.activate_output, made.use_layer_norm))
        and all(isinstance(name, str) for name in (made.activation, made.weight_init))
    )  # fmt: skip
    if not sound:
        raise UserError(f"{path}: its settings are not a hypernetwork's, or out of range; fetch it again")


def _read_pt(path: Path) -> HypernetworkFile:
    read = read_pickled(path)
    layers = {width: _pair(path, width, pair) for width, pair in read.items() if isinstance(width, int)}
    if not layers:
        raise UserError(
            f"{path} is not a hypernetwork: it has no pair of weights by width (320, 640, 768, 1280 ...)"
        )
    facts = {key: read.get(key) for key in ("name", "step", "sd_checkpoint", "sd_checkpoint_name")}
    return HypernetworkFile(_structure(path, read), layers, facts)


def _pair(path: Path, width: int, pair: Any) -> tuple[MlpWeights, MlpWeights]:
    if not isinstance(pair, Sequence) or len(pair) != len(KEY_AND_VALUE) or not all(map(_are_weights, pair)):
        raise UserError(f"{path} is not a hypernetwork: {width} has no pair of weights for k and v")
    k, v = ({_new_key(key): tensor for key, tensor in weights.items()} for weights in pair)
    return k, v


def _are_weights(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(tensor, Tensor) for tensor in value.values())


def _new_key(key: str) -> str:
    first, _, leaf = key.partition(".")
    return f"{OLD_KEYS[first]}.{leaf}" if first in OLD_KEYS else key


def _structure(path: Path, read: Mapping[Any, Any]) -> MlpStructure:
    """The structure, with A1111's defaults for what old files lack."""
    layers = read.get("layer_structure") or (1, 2, 1)
    dropout = read.get("dropout_structure") or old_dropout(
        len(layers), read.get("use_dropout", False), read.get("last_layer_dropout", False)
    )
    if not _is_numbers(layers) or not _is_numbers(dropout) or len(dropout) != len(layers):
        raise UserError(
            f"{path}: layer_structure {layers} and dropout_structure {dropout} must be numbers, equally"
            " many; fetch it again"
        )
    return MlpStructure(
        layer_structure=tuple(layers),
        activation=str(read.get("activation_func") or "linear"),
        activate_output=read.get("activate_output", True),
        use_layer_norm=read.get("is_layer_norm", False),
        weight_init=read.get("weight_initialization") or "Normal",
        dropout_structure=tuple(dropout),
    )


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(number, int | float) for number in value)


def old_dropout(length: int, use_dropout: bool, last_layer: bool) -> tuple[float, ...]:
    """The meaning of older files' two switches (parse_dropout_structure): 0.3 after all inner linears but the
    last, and after the last too with `last_layer`.
    """
    if not use_dropout or length < 3:
        return (0.0,) * length
    return (0.0, *(0.3,) * (length - 3), 0.3 if last_layer else 0.0, 0.0)


def write_a1111(path: Path, file: HypernetworkFile) -> None:
    """Writes the .pt. `activate_output` is always written: its default is true in A1111, false in ComfyUI."""
    structure = file.structure
    settings = {
        "step": file.facts.get("step") or 0,
        "name": file.facts.get("name") or path.stem,
        "layer_structure": list(structure.layer_structure),
        "activation_func": structure.activation,
        "is_layer_norm": structure.use_layer_norm,
        "weight_initialization": structure.weight_init,
        "sd_checkpoint": file.facts.get("sd_checkpoint"),
        "sd_checkpoint_name": file.facts.get("sd_checkpoint_name"),
        "activate_output": structure.activate_output,
        # A1111 reads dropout_structure; ComfyUI reads use_dropout, and would apply dropout while drawing.
        "use_dropout": False,
        "dropout_structure": list(structure.dropout_structure),
        "last_layer_dropout": False,
        "optional_info": None,
    }
    write_pickled(path, {**dict(sorted(file.layers.items())), **settings})


def _read_safetensors(path: Path) -> HypernetworkFile:
    tensors, metadata = read_safetensors(path)
    settings = metadata.get(HYPERNETWORK_KEY)
    if settings is None:
        raise UserError(f"{path} is not a hypernetwork: its header has no {HYPERNETWORK_KEY}")
    try:
        return HypernetworkFile(_from_header(settings), _from_keys(tensors))
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{path}: its header or its keys are not a hypernetwork's ({error}); fetch it again"
        ) from error


def _from_header(text: str) -> MlpStructure:
    values: dict[str, Any] = {
        key: tuple(item) if isinstance(item, list) else item for key, item in parse_json(text).items()
    }
    return MlpStructure(**values)


def _from_keys(tensors: Mapping[str, Tensor]) -> dict[int, tuple[MlpWeights, MlpWeights]]:
    layers: dict[int, tuple[MlpWeights, MlpWeights]] = {}
    for key, tensor in sorted(tensors.items()):
        width, part, leaf = key.split(".", 2)
        layers.setdefault(whole_number(width, 1, MOST_WIDTH), ({}, {}))[KEY_AND_VALUE.index(part)][leaf] = (
            tensor
        )
    return layers


def hypernetwork_tensors(layers: Mapping[int, tuple[MlpWeights, MlpWeights]]) -> dict[str, Tensor]:
    """Tensors of the .safetensors."""
    return {
        f"{width}.{part}.{leaf}": tensor
        for width, pair in layers.items()
        for part, weights in zip(KEY_AND_VALUE, pair, strict=True)
        for leaf, tensor in weights.items()
    }


def hypernetwork_metadata(
    structure: MlpStructure, architecture: str = "stable-diffusion-v1"
) -> dict[str, str]:
    """Header entries; reading needs the first."""
    return {
        HYPERNETWORK_KEY: json.dumps(asdict(structure), sort_keys=True),
        "modelspec.architecture": f"{architecture}/hypernetwork",
    }
