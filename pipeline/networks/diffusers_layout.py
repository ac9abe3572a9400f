"""Writes a LoRA in diffusers' layout: `unet.mid_block....to_q.lora_A.weight`, `.lora_B.weight`.

diffusers assumes alpha = dim unless the header says otherwise (huggingface/diffusers loaders/lora_base.py and
loaders/lora_pipeline.py), so alpha / dim is multiplied into the second matrix.
"""

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from torch import Tensor

from pipeline.bases.clip_names import transformers_name
from pipeline.bases.family import Family
from pipeline.bases.registry import family, known_or_first
from pipeline.errors import UserError
from pipeline.networks.base_family import family_of_network


def to_diffusers(
    modules: Mapping[str, Mapping[str, Tensor]], metadata: Mapping[str, str], path: Path
) -> dict[str, Tensor]:
    """diffusers' keys for a LoRA. Raises UserError for other algorithms and unknown modules."""
    paths = _paths(_family(modules, metadata).facts.name)
    written = {}
    for module, weights in modules.items():
        if weights.keys() - {"alpha"} != {"lora_down.weight", "lora_up.weight"}:
            raise UserError(
                f"{path}: {module} has {', '.join(sorted(weights))}; only plain LoRA has diffusers' layout:"
                " run `convert ... --to lora` first"
            )
        if (name := paths.get(module)) is None:
            raise UserError(
                f"{path}: {module} is not in {_family(modules, metadata).facts.title}; the file belongs"
                " to another family"
            )
        down, up = weights["lora_down.weight"], weights["lora_up.weight"]
        scale = float(weights["alpha"]) / len(down) if "alpha" in weights else 1.0
        written[f"{name}.lora_A.weight"] = down
        written[f"{name}.lora_B.weight"] = (up.float() * scale).to(up.dtype)
    return written


def _family(modules: Mapping[str, Mapping[str, Tensor]], metadata: Mapping[str, str]) -> Family:
    """The network's family; SD 1.x if the file fits SD 2, too, which has the same names."""
    return family_of_network(modules, metadata) or family(known_or_first(None).name)


@cache
def _paths(name: str) -> dict[str, str]:
    """diffusers' names of the layers, part and path, by sd-scripts' names."""
    made, by_layer = family(name), {}
    for part in made.trained_parts:
        for path, _ in part.outline(made.widest_configs[part.name]).named_modules():
            own = transformers_name(path) if part.library == "transformers" else path
            with suppress(KeyError):  # modules that single files do not name
                by_layer[made.layer_name(part.name, path, made.configs)] = f"{part.name}.{own}"
    return by_layer
