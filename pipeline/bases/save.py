"""Writes a checkpoint that every tool opens: one .safetensors in the original layout, or a diffusers folder.

transformers 5 writes text encoders without the level `text_model.`; version 4 then fills them with random
weights and only warns. Both layouts here have the level. The folder's tokenizer has vocab.json and merges.txt
as well as tokenizer.json, for older tools.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from pipeline.bases.base import Base
from pipeline.bases.clip_names import transformers_name
from pipeline.bases.origins import Origin, put
from pipeline.bases.parts import Part
from pipeline.bases.passengers import as_stored, passengers
from pipeline.bases.stated import BASE_KEY, STAMPS, T5_TOKENIZER
from pipeline.bases.t5_tokens import T5_SETTINGS, T5_TOKENIZER_CLASS, T5_VOCABULARY
from pipeline.bases.tokenizers import padded_with, tokenizer_files
from pipeline.files.atomic import new_folder, write_json
from pipeline.files.safetensors_file import PRECISIONS, write_safetensors

SCHEDULER_CLASS = "DDIMScheduler"
"""Used if a configuration does not name a class."""


def save_file(base: Base, path: Path, dtype: str, metadata: dict[str, str]) -> None:
    """Writes one .safetensors in the original (LDM) layout, with the configurations and the tokenizer in its
    header.
    """
    write_safetensors(path, file_tensors(base, PRECISIONS[dtype]), {**metadata, **file_header(base)})


def file_tensors(
    base: Base, dtype: torch.dtype, others: Mapping[str, Tensor] = MappingProxyType({})
) -> dict[str, Tensor]:
    """The tensors of such a file. `others` replace the base's own: by part and key, `unet.conv_in.bias`.

    Tensors that still have the numbers of the base's own files keep their bytes, whatever `dtype` is, and
    tensors of its file that no part uses come along.
    """
    made: dict[str, Tensor] = {}
    for part in base.parts:
        made |= _part_tensors(base, part, dtype, others)
    return made | passengers(base.stored, made, base.configs["scheduler"])


def _part_tensors(
    base: Base, part: Part, dtype: torch.dtype, others: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    tensors = base.part(part.name).state_dict()
    origins = base.family.origins(part.name, tensors, base.configs)
    by_key: dict[str, dict[str, Origin]] = {}
    for key, origin in origins.items():
        by_key.setdefault(origin.key, {})[key] = origin
    made = {}
    for name, own in by_key.items():
        trained = {key: others.get(f"{part.name}.{folder_key(part, key)}") for key in own}
        held = {key: tensors[key] if each is None else each for key, each in trained.items()}
        kept = as_stored(name, base.stored.get(name), own, held)
        made[name] = put(own, held)[name].to("cpu", dtype) if kept is None else kept
    return made


def file_header(base: Base) -> dict[str, str]:
    """What such a file's header says about the base."""
    own = {"configs": plain_configs(base), "tokenizer": tokenizer_files(base.tokenizer)}
    if base.t5_tokenizer:
        own[T5_TOKENIZER] = base.t5_tokenizer.vocabulary
    return {BASE_KEY: json.dumps(own, sort_keys=True)}


def save_folder(base: Base, path: Path, dtype: str, metadata: dict[str, str]) -> None:
    """Writes a diffusers folder that diffusers loads with transformers 4 and 5."""
    with new_folder(path) as folder:
        for part in base.parts:
            tensors = {
                folder_key(part, key): tensor.to(PRECISIONS[dtype])
                for key, tensor in base.part(part.name).state_dict().items()
                if not key.endswith("position_ids") and key not in part.tied
            }
            target = folder / part.name / part.weight_file
            write_safetensors(target, tensors, {"format": "pt", **metadata})
        write_settings(base, folder)


def folder_key(part: Part, key: str) -> str:
    """Name of a module's weight in a folder."""
    return transformers_name(key) if part.is_clip else key


def write_settings(base: Base, folder: Path) -> None:
    """Writes everything of a folder except the weights."""
    configs = plain_configs(base)
    for part in base.parts:
        write_json(folder / part.name / "config.json", configs[part.name])
    write_json(folder / "scheduler" / "scheduler_config.json", configs["scheduler"])
    texts = tokenizer_files(base.tokenizer)
    for name in base.family.tokenizer_folders:
        padded_with(base.tokenizer, base.family.paddings.get(name)).save_pretrained(folder / name)
        for file, text in texts.items():
            (folder / name / file).write_text(text, encoding="utf-8")
    if base.t5_tokenizer:
        (folder / T5_TOKENIZER).mkdir()
        (folder / T5_TOKENIZER / T5_VOCABULARY).write_text(base.t5_tokenizer.vocabulary, encoding="utf-8")
        write_json(folder / T5_TOKENIZER / "tokenizer_config.json", T5_SETTINGS)
    write_json(folder / "model_index.json", model_index(base, configs["scheduler"]["_class_name"]))


def plain_configs(base: Base) -> dict[str, dict[str, Any]]:
    """The parts' configurations without paths and version stamps."""
    classes: dict[str, dict[str, Any]] = {"scheduler": {"_class_name": SCHEDULER_CLASS}}
    for part in base.parts:
        named = part.library == "diffusers"
        classes[part.name] = (
            {"_class_name": part.class_name} if named else {"architectures": [part.class_name]}
        )
    return {
        name: {**classes[name], **{key: value for key, value in config.items() if key not in STAMPS}}
        for name, config in base.configs.items()
    }


def model_index(base: Base, scheduler_class: str) -> dict[str, Any]:
    """model_index.json of the family's pipeline, without a safety checker."""
    parts = {part.name: [part.library, part.class_name] for part in base.parts}
    tokenizers = {name: ["transformers", "CLIPTokenizer"] for name in base.family.tokenizer_folders}
    if base.t5_tokenizer:
        tokenizers[T5_TOKENIZER] = ["transformers", T5_TOKENIZER_CLASS]
    whole = {
        **base.family.index_extras,
        "_class_name": base.family.facts.pipeline,
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "scheduler": ["diffusers", scheduler_class],
        **parts,
        **tokenizers,
    }
    return dict(sorted(whole.items()))
