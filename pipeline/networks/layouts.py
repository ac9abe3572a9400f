"""Reads adapter files of other tools as sd-scripts' and LyCORIS's.

| layout | the two matrices of a module |
|---|---|
| sd-scripts | `lora_unet_mid_block_..._to_q.lora_down.weight`, `.lora_up.weight`, and `.alpha` |
| diffusers | `unet.mid_block....to_q.lora_A.weight`, `.lora_B.weight` |
| diffusers before PEFT | `unet.mid_block....to_q.lora.down.weight`, `.lora.up.weight` |
| PEFT | `base_model.model.mid_block....to_q.lora_A.weight`, `.lora_B.weight` |
| ComfyUI, OneTrainer | `diffusion_model.middle_block....`, `text_encoders.clip_l....`; `lora_down` or
`lora_A` |
| OMI | `unet.middle_block....to_q.lora_down.weight`, `clip_l....` |

The leaves of LoHa, LoKr, OFT, GLoRA, differences and norms are the same in all. PEFT's and diffusers' alpha
is in no tensor: pipeline/networks/scales.py.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.networks.bundled import BUNDLE_PREFIX, words_of
from pipeline.networks.module_names import (
    PEFT,
    NamedModule,
    is_base_module,
    is_mmdit,
    is_own,
    is_xl,
    named,
    other_family,
)
from pipeline.networks.scales import DOWN, say_once, scaled, stated_scales
from pipeline.networks.shapes import insist_on_shapes

UP, UP_BIAS, MAGNITUDE = "lora_up.weight", "lora_up.bias", "lora_magnitude_vector"
SPELLINGS = {
    DOWN: (".lora_A.weight", ".lora_A.default.weight", ".lora.down.weight", "_lora.down.weight",
           ".lora_linear_layer.down.weight"),
    UP: (".lora_B.weight", ".lora_B.default.weight", ".lora.up.weight", "_lora.up.weight",
         ".lora_linear_layer.up.weight"),
    UP_BIAS: (".lora_B.bias", ".lora_B.default.bias"),
    MAGNITUDE: (".lora_magnitude_vector", ".lora_magnitude_vector.weight", ".lora_magnitude_vector.default",
                ".lora_magnitude_vector.default.weight"),
}  # fmt: skip
"""Ends of keys in diffusers' and PEFT's files, by sd-scripts' leaf."""
SHARED_LEAVES = (
    DOWN, UP, "lora_mid.weight", "dora_scale", "alpha", "scalar", "diff", "diff_b", "w_norm", "b_norm",
    "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2", "lokr_w1", "lokr_w1_a",
    "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2", "on_input", "oft_blocks", "rescale",
    "a1.weight", "a2.weight", "b1.weight", "b2.weight", "bm.weight",
)  # fmt: skip
"""Leaves that every tool writes alike."""
LEAF_OF_END = {end: leaf for leaf, ends in SPELLINGS.items() for end in ends} | {
    f".{leaf}": leaf for leaf in SHARED_LEAVES
}
WEAK = {"alpha", "scalar", "rescale", "diff", "diff_b"}
"""Leaves that other kinds of files may have, too."""


@dataclass(frozen=True)
class FileKey:
    """A key of a file, split. `is_peft`: spelled as in diffusers' and PEFT's files, which have alpha in no
    tensor.
    """

    module: str
    leaf: str
    is_peft: bool


def is_foreign(keys: Collection[str]) -> bool:
    """Whether a file is an adapter's in a layout other than sd-scripts'."""
    xl = is_xl(keys)
    for key in keys:
        if key.startswith(BUNDLE_PREFIX):
            return True
        parts = None if _is_own(key, xl) else file_key(key)
        if parts and (parts.leaf not in WEAK or named(parts.module, xl=False)):
            return True
    return False


def is_adapter(keys: Collection[str]) -> bool:
    """Whether a file is an adapter's, in any layout."""
    return is_foreign(keys) or any(_is_own(key, xl=False) for key in keys)


def file_key(key: str) -> FileKey | None:
    """None for a key that does not end like an adapter's."""
    end = max((end for end in LEAF_OF_END if key.endswith(end)), key=len, default="")
    if not end or len(key) == len(end):
        return None
    module = key.removesuffix(end)
    return FileKey(module, LEAF_OF_END[end], end in SPELLINGS[DOWN] or module.startswith(PEFT))


def by_sd_scripts_names(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str], path: Path
) -> dict[str, Tensor]:
    """The file's tensors by sd-scripts' keys, with its scale in `alpha`. Raises UserError for unknown modules
    and algorithms.
    """
    kept = without_words(tensors, path)
    xl = is_xl(kept) or is_mmdit(kept)  # both have two text encoders
    parts = _places(kept, xl, path)
    renamed = {f"{place.name}.{key.leaf}": kept[whole] for whole, (key, place) in parts.items()}
    insist_on_shapes(renamed, path)
    places = {place.name: place for _, place in parts.values()}
    is_peft = any(key.is_peft for key, _ in parts.values())
    scales = stated_scales(renamed, places, metadata, path, is_peft)
    return _in_shape(scaled(renamed, scales))


def insist_on_known(weights: Mapping[str, Tensor], path: Path) -> None:
    """Raises UserError if a key, by sd-scripts' names, has an unknown module or algorithm."""
    unknown = sorted(
        key
        for key in weights
        if not is_base_module(key.partition(".")[0])
        or key.partition(".")[2] not in {*SHARED_LEAVES, "weight"}
    )
    if unknown:
        family = next(filter(None, map(other_family, unknown)), None)
        raise UserError(
            f"{path}: {len(unknown)} of its keys are not known ({', '.join(unknown[:3])} ...)"
            + (f"; it is for {family}" if family else "")
            + ": nothing is written, because their meaning might be lost"
        )


def without_words(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Without the embeddings that OneTrainer bundles with a LoRA; a warning names them."""
    words = words_of(tensors)
    if words:
        say_once(
            f"{path} contains the embeddings {', '.join(words)}, which act if their own files are called:"
            f" `python -m pipeline.networks convert {path} <folder>` writes these files"
        )
    return {key: tensor for key, tensor in tensors.items() if not key.startswith(BUNDLE_PREFIX)}


def _is_own(key: str, xl: bool) -> bool:
    module, _, leaf = key.partition(".")
    return bool(leaf) and is_own(module, xl)


def _places(keys: Iterable[str], xl: bool, path: Path) -> dict[str, tuple[FileKey, NamedModule]]:
    split, unknown = {}, []
    for whole in keys:
        module, _, leaf = whole.partition(".")
        key = FileKey(module, leaf, is_peft=False) if _is_own(whole, xl) else file_key(whole)
        place = NamedModule(module, "", module) if _is_own(whole, xl) else key and named(key.module, xl)
        if key and place:
            split[whole] = (key, place)
        else:
            unknown.append(whole)
    if unknown:
        family = next(filter(None, map(other_family, unknown)), None)
        raise UserError(
            f"{path}: {len(unknown)} of its keys are not known ({', '.join(sorted(unknown)[:3])} ...); "
            + (f"it is for {family}: use one for this base" if family else
               "only adapters of Stable Diffusion 1.x, 2.x, 3 and SDXL are read: LoRA, LoHa, LoKr, IA3, OFT,"
               " GLoRA, differences and norms")
        )  # fmt: skip
    return split


def _in_shape(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Writes alphas out. PEFT's magnitudes are per output, [out] or [1, out, 1, 1]: here [out, 1] or [out, 1,
    1, 1]. Its bias of B becomes one of the layer.
    """
    made = dict(tensors)
    for key in [key for key in tensors if key.endswith(f".{DOWN}")]:
        name, down = key.partition(".")[0], tensors[key]
        alpha = made.setdefault(f"{name}.alpha", torch.tensor(float(len(down))))
        if (magnitudes := made.pop(f"{name}.{MAGNITUDE}", None)) is not None:
            made[f"{name}.dora_scale"] = magnitudes.reshape(-1, *[1] * (down.dim() - 1))
        if (bias := made.pop(f"{name}.{UP_BIAS}", None)) is not None:
            made[f"{name}.diff_b"] = bias.float() * (float(alpha) / len(down))
    return made
