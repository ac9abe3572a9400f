"""Reads LoRA files as pairs of factors, combines, resizes and writes them."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from pipeline.bases.registry import blocks_of
from pipeline.bases.unet_names import LDM_UNET_PREFIX
from pipeline.errors import UserError
from pipeline.files.damage import reporting_damage
from pipeline.files.finite import insist_on_finite, is_finite
from pipeline.files.safetensors_file import PRECISIONS, write_safetensors
from pipeline.files.tensor_file import TensorFile
from pipeline.merging.lora_pairs import LoraPair, RankRule, concatenated, truncated
from pipeline.merging.network_changes import modules_of, open_network
from pipeline.merging.weights import WeightOf, weight_of
from pipeline.networks.base_family import family_of_network
from pipeline.networks.module_names import TRANSFORMER_PREFIX
from pipeline.schemas.recipe import Alpha

LEAVES = {"lora_up.weight", "lora_down.weight", "lora_mid.weight", "alpha"}
DESCRIBING = (
    "ss_base_model_version",
    "ss_v2",
    "ss_sd_model_name",
    "ss_sd_model_hash",
    "ss_new_sd_model_hash",
    "modelspec.architecture",
    "modelspec.prediction_type",
    "modelspec.resolution",
)
"""Header entries that identify the base a LoRA is for."""


@dataclass
class LoraFile:
    """Each module's change, and its layer's kernel ([] for linear)."""

    pairs: dict[str, LoraPair]
    kernels: dict[str, list[int]]
    header: dict[str, str] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    """Relative error of each module in the Frobenius norm."""

    def error(self) -> float:
        """Relative error of all modules together, weighted by their size."""
        squares = {name: float(pair.delta().double().square().sum()) for name, pair in self.pairs.items()}
        lost = sum(squares[name] * error**2 / max(1 - error**2, 1e-12) for name, error in self.errors.items())
        whole = sum(squares.values()) + lost
        return (lost / whole) ** 0.5 if whole else 0.0


def read_lora(path: Path) -> LoraFile:
    """A LoRA or LoCon file, with cores (Tucker) multiplied out. Raises UserError for other families."""
    with reporting_damage(f"{path} is not a readable LoRA"):
        return _lora(path)


def _lora(path: Path) -> LoraFile:
    file = open_network(path)
    insist_on_finite(path, file.tensors)
    modules = modules_of(file)
    if foreign := {key.partition(".")[2] for key in file.tensors} - LEAVES:
        raise UserError(
            f"{path} has {', '.join(sorted(foreign)[:3])}: only LoRA and LoCon files can be combined and"
            " resized; bake it into a checkpoint and extract a LoRA from that"
        )
    lora = LoraFile({}, {}, {key: file.metadata[key] for key in DESCRIBING if key in file.metadata})
    for module in sorted(modules):
        lora.pairs[module], lora.kernels[module] = _pair(module, file)
    return lora


def _pair(module: str, file: TensorFile) -> tuple[LoraPair, list[int]]:
    weights = {
        leaf: stored.read().reshape(stored.shape).float()
        for leaf in LEAVES
        if (stored := file.tensors.get(f"{module}.{leaf}"))
    }
    try:
        up, down = weights["lora_up.weight"], weights["lora_down.weight"]
        scale = float(weights.get("alpha", torch.tensor(float(len(down))))) / len(down)
        if "lora_mid.weight" in weights:
            down = torch.einsum("abkl,bi->aikl", weights["lora_mid.weight"], down.flatten(1))
        return LoraPair(up.flatten(1) * scale, down.flatten(1)), list(down.shape[2:])
    except (KeyError, RuntimeError, ValueError, ZeroDivisionError) as error:
        raise UserError(f"{file.path}: {module} is not a complete LoRA module ({error})") from error


def combine(files: Sequence[LoraFile], ratios: Sequence[Alpha], rule: RankRule | None) -> LoraFile:
    """The sum of the files' changes times their ratios, which can differ by block. Exact, with the sum of
    ranks, or with a rule the best of a smaller rank. The files must be for one base.
    """
    versions = {file.header.get("ss_base_model_version") for file in files} - {None}
    if len(versions) > 1:
        raise UserError(f"the LoRAs are for different bases ({', '.join(sorted(map(str, versions)))})")
    result = LoraFile({}, {}, dict(files[0].header))
    numbered = enumerate(zip(files, ratios, strict=True))
    weights = [_ratio(ratio, file, number) for number, (file, ratio) in numbered]
    for module in sorted({module for file in files for module in file.pairs}):
        owners = [(file, weight) for file, weight in zip(files, weights, strict=True) if module in file.pairs]
        shapes = {(*file.kernels[module], *_ends(file.pairs[module])) for file, _ in owners}
        if len(shapes) > 1:
            raise UserError(f"{module} has different shapes in the LoRAs: they are for different bases")
        pair = concatenated(
            [file.pairs[module] for file, _ in owners], [weight(module) for _, weight in owners]
        )
        result.kernels[module] = owners[0][0].kernels[module]
        result.pairs[module], result.errors[module] = truncated(pair, rule) if rule else (pair, 0.0)
    return result


def resize(file: LoraFile, rule: RankRule, largest: int) -> LoraFile:
    """Each module at the rank that the rule chooses, at most `largest`."""
    return combine([file], [1.0], lambda s: min(rule(s), largest))


def _ends(pair: LoraPair) -> tuple[int, int]:
    return pair.up.shape[0], pair.down.shape[1]


def _ratio(ratio: Alpha, file: LoraFile, number: int) -> Callable[[str], float]:
    """By module, in the blocks of the family that the header or the modules' names tell."""
    weight: WeightOf = weight_of(ratio, _blocks(file), f"ratio {number + 1}")
    return lambda module: weight(_weight_name(module))


def _blocks(file: LoraFile) -> tuple[str, ...]:
    shapes = {name: {"lora_down.weight": pair.down} for name, pair in file.pairs.items()}
    made = family_of_network(shapes, file.header)
    return made.facts.blocks if made else blocks_of(None)


FLAT_BLOCK = re.compile(
    r"(down|up)_blocks_([0-9]{1,3})_(resnets|attentions|downsamplers|upsamplers)_([0-9]{1,3})"
)


def _weight_name(module: str) -> str:
    """A single-file name that `weight_of` assigns to the module's block."""
    if module.startswith("lora_te"):
        return "cond_stage_model."
    if module.startswith(TRANSFORMER_PREFIX):
        return LDM_UNET_PREFIX + module.removeprefix(TRANSFORMER_PREFIX)
    rest = module.removeprefix("lora_unet_")
    if match := FLAT_BLOCK.match(rest):
        is_down, level, kind, index = match[1] == "down", int(match[2]), match[3], int(match[4])
        place = 2 if kind.endswith("samplers") else index
        half, number = ("input", 3 * level + place + 1) if is_down else ("output", 3 * level + place)
        return f"model.diffusion_model.{half}_blocks.{number}.0."
    if match := re.match(r"(input|output)_blocks_([0-9]{1,3})_", rest):
        return f"model.diffusion_model.{match[1]}_blocks.{match[2]}.0."
    if rest.startswith(("mid_block", "middle_block")):
        return "model.diffusion_model.middle_block."
    last = rest.startswith(("conv_out", "out_"))
    return f"model.diffusion_model.{'out' if last else 'time_embed'}."


def write_lora(path: Path, lora: LoraFile, precision: str) -> None:
    """In kohya-ss/sd-scripts' layout; alpha = dim, so that the factors alone define the change."""
    dtype = PRECISIONS[precision]
    tensors: dict[str, Tensor] = {}
    for module, pair in lora.pairs.items():
        kernel = lora.kernels[module]
        ones = [1] * len(kernel)
        inside = pair.down.shape[1] // max(1, torch.Size(kernel).numel())
        tensors[f"{module}.lora_up.weight"] = pair.up.reshape(-1, pair.rank, *ones).to(dtype)
        tensors[f"{module}.lora_down.weight"] = pair.down.reshape(pair.rank, inside, *kernel).to(dtype)
        tensors[f"{module}.alpha"] = torch.tensor(float(pair.rank)).to(dtype)
    if sick := [name for name, tensor in tensors.items() if not is_finite(tensor)]:
        raise UserError(
            f"{sick[0]}: the numbers do not fit into {precision}; use finite, smaller ratios, or --dtype fp32"
        )
    write_safetensors(path, tensors, {**lora.header, **_rank_header(lora)})


def _rank_header(lora: LoraFile) -> Mapping[str, str]:
    ranks = {pair.rank for pair in lora.pairs.values()}
    rank = str(next(iter(ranks))) if len(ranks) == 1 else "Dynamic"
    arguments = (
        {"conv_dim": rank} if any(kernel not in ([], [1, 1]) for kernel in lora.kernels.values()) else {}
    )
    return {
        "ss_network_module": "networks.lora",
        "ss_network_dim": rank,
        "ss_network_alpha": rank,
        "ss_network_args": json.dumps(arguments),
    }
