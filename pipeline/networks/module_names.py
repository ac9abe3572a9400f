"""Translates names of modules in other tools' adapter files to sd-scripts' names.

A key is a part (`unet.`, `diffusion_model.`), a module's path in diffusers' or the original (LDM) layout, and
a leaf (`.lora_A.weight`). Sources: huggingface/diffusers loaders/lora_pipeline.py, huggingface/peft
utils/save_and_load.py, comfyanonymous/ComfyUI comfy/lora.py and comfy_extras/nodes_lora_extract.py,
Nerogar/OneTrainer modules/util/convert_lora_util.py, Open-Model-Initiative's LoRA keys.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipeline.bases import unet_names
from pipeline.bases.registry import family

LORA_UNET_PREFIX, LORA_TEXT_PREFIX, LORA_TEXT_PREFIXES = "lora_unet_", "lora_te_", ("lora_te1_", "lora_te2_")
TRANSFORMER_PREFIX = "lora_transformer_"
"""Before diffusers' paths in a transformer, as in OneTrainer's files; ComfyUI reads it."""
OWN = (LORA_UNET_PREFIX, TRANSFORMER_PREFIX, LORA_TEXT_PREFIX, *LORA_TEXT_PREFIXES)
"""Prefixes of sd-scripts' names, and of a transformer's."""
UNET_PART, TEXT, SECOND, TRANSFORMER_PART = "unet", "text_encoder", "text_encoder_2", "transformer"
PART_OF_START = {
    "model.diffusion_model.": UNET_PART, "diffusion_model.": UNET_PART, "unet.": UNET_PART,
    "text_encoder.": TEXT, "text_encoder_2.": SECOND, "te1.": TEXT, "te2.": SECOND,
    "text_encoders.clip_l.transformer.": TEXT, "text_encoders.clip_l.": TEXT, "clip_l.transformer.": TEXT,
    "clip_l.": TEXT, "text_encoders.clip_g.transformer.": SECOND, "text_encoders.clip_g.": SECOND,
    "clip_g.transformer.": SECOND, "clip_g.": SECOND, "text_encoders.clip_h.transformer.": TEXT,
    "clip_h.transformer.": TEXT, "clip_h.": TEXT,
}  # fmt: skip
"""Prefixes of keys, by the part that they name; the longest match counts."""
LYCORIS = "lycoris_"
PEFT = ("base_model.model.", "base_model.")
LDM_MODULES = ("input_blocks.", "middle_block.", "output_blocks.", "time_embed.", "label_emb.", "out.")
DIFFUSERS_MODULES = (
    "down_blocks.", "mid_block.", "up_blocks.", "conv_in", "conv_out", "conv_norm_out", "time_embedding.",
    "add_embedding.",
)  # fmt: skip
FLAT_DIFFUSERS = tuple(start.replace(".", "_") for start in DIFFUSERS_MODULES)
TRANSFORMER_MODULES = (
    "transformer_blocks.", "pos_embed.proj", "time_text_embed.", "context_embedder", "norm_out.linear",
    "proj_out",
)  # fmt: skip
MMDIT_KEY = re.compile(
    r"(?:model\.diffusion_model\.|diffusion_model\.|base_model\.model\.|transformer\.|lora_transformer_|lora_unet_"
    r"|lycoris_)*(?:transformer|joint)_blocks[._][0-9]"
)
FLUX_BLOCKS = "single_transformer_blocks"
UNET_MODULES = LDM_MODULES + DIFFUSERS_MODULES
TEXT_MODULES = ("text_model.", "encoder.layers.", "embeddings.", "final_layer_norm", "text_projection")
"""Beginnings of paths without their part."""
SHORT_TEXT = re.compile(r"^(lora_te[12]?_)((?:encoder_layers|embeddings|final_layer_norm).*)$", re.DOTALL)
"""Written by trainers on transformers 5, whose text encoder lacks the level `text_model`."""
SIGNS_OF_XL = re.compile(
    r"^(text_encoder_2|te2|(text_encoders\.)?clip_g|lora_te2_)|label_emb|add_embedding"
    r"|transformer_blocks[._](?!0[._])\d+[._]"
)
OF_T5 = "SD 3 or Flux, and changes T5, which no network changes here"
OTHER_FAMILIES = {
    "transformer.": "SD 3, Flux or another transformer", "lora_transformer_": "SD 3, Flux or another"
    " transformer",
    "double_blocks.": "Flux", "single_blocks.": "Flux", "joint_blocks.": "Stable Diffusion 3",
    "text_encoders.t5xxl.": OF_T5, "t5xxl.": OF_T5, "text_encoder_3.": OF_T5, "lora_te3_": OF_T5,
    "lora_prior_": "Stable Cascade",
}  # fmt: skip


@dataclass(frozen=True)
class NamedModule:
    """A module: its name in sd-scripts' files, and the part and path that PEFT's settings use."""

    name: str
    part: str
    path: str


def is_xl(keys: Iterable[str]) -> bool:
    """Whether the keys are SDXL's: a second text encoder, or blocks with more than one transformer."""
    return any(SIGNS_OF_XL.search(key) for key in keys)


def is_mmdit(keys: Iterable[str]) -> bool:
    """Whether the keys are of SD 3's transformer."""
    found = False
    for key in keys:
        if FLUX_BLOCKS in key:
            return False
        found = found or bool(MMDIT_KEY.match(key))
    return found


def is_own(module: str, xl: bool) -> bool:
    """Whether sd-scripts names a module so; it names SDXL's by the original layout, other tools also by
    diffusers'.
    """
    if not module.startswith(OWN) or SHORT_TEXT.match(module):
        return False
    return not (xl and is_flat_diffusers(module))


def is_flat_diffusers(module: str) -> bool:
    """`lora_unet_down_blocks_...`."""
    return module.startswith(LORA_UNET_PREFIX) and module[len(LORA_UNET_PREFIX) :].startswith(FLAT_DIFFUSERS)


def named(module: str, xl: bool) -> NamedModule | None:
    """None for a module of an unknown part."""
    return _transformer(module) or _of_unet_or_text(module, xl)


def _of_unet_or_text(module: str, xl: bool) -> NamedModule | None:
    if module.startswith(LYCORIS):
        return _lycoris(module, xl)
    if xl and is_flat_diffusers(module):
        return _lycoris(module.replace(LORA_UNET_PREFIX, LYCORIS, 1), xl)
    if short := SHORT_TEXT.match(module):
        return NamedModule(f"{short[1]}text_model_{short[2]}", TEXT, module)
    start = max((start for start in PART_OF_START if module.startswith(start)), key=len, default="")
    path = module.removeprefix(start)
    for prefix in PEFT:
        path = path.removeprefix(prefix)
    part = PART_OF_START[start] if start else _part_of(path)
    if part is None or not path.startswith(UNET_MODULES if part == UNET_PART else TEXT_MODULES):
        return None
    try:
        return NamedModule(_unet(path, xl) if part == UNET_PART else _text(path, part, xl), part, path)
    except (AssertionError, KeyError):  # a path that neither layout has
        return None


def _transformer(module: str) -> NamedModule | None:
    """A layer of a transformer by diffusers' path."""
    if not module.startswith(("transformer.", "transformer_blocks.", *PEFT)):
        return None
    path = module
    for prefix in (*PEFT, "transformer."):
        path = path.removeprefix(prefix)
    path = re.sub(r"\.to_out$", ".to_out.0", path)
    if not path.startswith(TRANSFORMER_MODULES):
        return None
    return NamedModule(TRANSFORMER_PREFIX + path.replace(".", "_"), TRANSFORMER_PART, path)


def _lycoris(module: str, xl: bool) -> NamedModule | None:
    """LyCORIS's wrapper uses the same prefix for all parts of any model."""
    path = module.removeprefix(LYCORIS)
    if path.startswith(tuple(_flat(TRANSFORMER_MODULES))):  # SimpleTuner's, of SD 3
        return NamedModule(TRANSFORMER_PREFIX + path, TRANSFORMER_PART, path)
    in_text = path.startswith(("text_model_", "encoder_layers_"))
    own = path if path.startswith("text_model_") else f"text_model_{path}"
    if in_text:
        return NamedModule(LORA_TEXT_PREFIX + own, TEXT, path)
    try:
        is_diffusers = path.startswith(FLAT_DIFFUSERS)
        name = _unet(unet_names.dotted(path), xl) if is_diffusers else LORA_UNET_PREFIX + path
    except KeyError:  # a path that diffusers' layout has not
        return None
    return NamedModule(name, UNET_PART, path)


def is_base_module(name: str) -> bool:
    """Whether sd-scripts' name is of a module that a U-Net, a transformer or a CLIP text encoder has."""
    if name.startswith(LORA_UNET_PREFIX):
        return name.removeprefix(LORA_UNET_PREFIX).startswith(tuple(_flat(UNET_MODULES)))
    if name.startswith(TRANSFORMER_PREFIX):
        return name.removeprefix(TRANSFORMER_PREFIX).startswith(tuple(_flat(TRANSFORMER_MODULES)))
    start = next((start for start in (*LORA_TEXT_PREFIXES, LORA_TEXT_PREFIX) if name.startswith(start)), None)
    return start is not None and name.removeprefix(start).startswith("text_")


def _flat(paths: Iterable[str]) -> Iterator[str]:
    return (path.replace(".", "_") for path in paths)


def other_family(module: str) -> str | None:
    """The family of a module that no base here has."""
    bare = module
    for start in (*PEFT, "diffusion_model.", LORA_UNET_PREFIX):
        bare = bare.removeprefix(start)
    return next(
        (
            family
            for start, family in OTHER_FAMILIES.items()
            if bare.startswith((start, start.replace(".", "_")))
        ),
        None,
    )


def _part_of(path: str) -> str | None:
    if path.startswith(UNET_MODULES):
        return UNET_PART
    return TEXT if path.startswith(TEXT_MODULES) else None


def _unet(path: str, xl: bool) -> str:
    """SD 1.x and 2.x by diffusers' path, SDXL by the original one, as in sd-scripts."""
    path = re.sub(r"\.to_out$", ".to_out.0", path.replace(".processor.", "."))
    is_ldm = path.startswith(LDM_MODULES)
    if is_ldm and not xl:
        path = _diffusers_path(path)
    elif xl and not is_ldm and path.startswith(DIFFUSERS_MODULES):
        made = family("sdxl")
        return made.layer_name("unet", path, made.configs)
    return LORA_UNET_PREFIX + path.replace(".", "_")


def _diffusers_path(path: str) -> str:
    """From a path in the original layout; an addition by another tool is unchanged."""
    try:
        return unet_names.diffusers_name(f"{path}.weight").removesuffix(".weight")
    except KeyError:
        return path


def _text(path: str, part: str, xl: bool) -> str:
    from pipeline.bases.clip_names import transformers_name  # loads torch

    prefix = LORA_TEXT_PREFIXES[part == SECOND] if xl else LORA_TEXT_PREFIX
    return prefix + transformers_name(path).replace(".", "_")
