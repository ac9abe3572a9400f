"""The header of a merged file: the recipe, from which anyone can make the file again, and entries for other
tools.

Nothing here depends on where the inputs are or when the merge ran.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.bases.clip_vocabulary import older_tokenizer_files
from pipeline.bases.part_schemas import PART_SCHEMAS
from pipeline.bases.prediction import MODELSPEC, MODELSPEC_KEY, PredictionType, scheduler_of
from pipeline.bases.stated import (
    BASE_KEY,
    STAMPS,
    T5_TOKENIZER,
    TOKENIZER_FILES,
    checked_configs,
    stated,
    tokenizer_texts,
)
from pipeline.bases.t5_tokens import T5_VOCABULARY
from pipeline.errors import warn
from pipeline.files.damage import reporting_damage
from pipeline.files.hashing import legacy_hash
from pipeline.files.json_text import JsonError, parse_json, read_mapping
from pipeline.files.text_file import JSON, read_text
from pipeline.merging.agreement import FIRST_CONVOLUTION, INPAINTING, PIX2PIX
from pipeline.merging.checkpoint import CheckpointFile
from pipeline.schemas.recipe import DifferenceStep, Input, PairStep, Recipe, ReplaceVaeStep

MERGE_KEY = "athanor.merge"
KEPT_ENTRIES = ("modelspec.architecture", "modelspec.prediction_type", "modelspec.resolution")
"""Entries of A's header that also hold for the result: how it is built and sampled."""
WEBUI_METHODS = {"weighted_sum": "Weighted sum", "add_difference": "Add difference"}


def recipe_text(recipe: Recipe) -> str:
    """The recipe as JSON, with inputs by file name and sha256."""
    content = recipe.model_dump(mode="json", exclude=_unset(recipe))
    for entry in content["inputs"].values():
        entry["path"] = Path(entry["path"]).name
    return json.dumps(content, sort_keys=True)


def _unset(recipe: Recipe) -> set[str]:
    """Keys that came later and are not set: earlier merges keep their bytes."""
    return {"prediction_type"} if recipe.prediction_type is None else set()


def metadata(
    recipe: Recipe, first: CheckpointFile, checkpoints: Mapping[str, CheckpointFile]
) -> dict[str, str]:
    """Header of the result. `recipe` is locked; `first` is the checkpoint whose tensors the result has;
    `checkpoints` are the recipe's, by name.
    """
    kept = {key: first.metadata[key] for key in KEPT_ENTRIES if key in first.metadata}
    if first.path.is_dir():
        kept[BASE_KEY] = folder_header(first.path)
    elif BASE_KEY in first.metadata and (own := stated(first.metadata[BASE_KEY], str(first.path))):
        kept[BASE_KEY] = json.dumps(own, sort_keys=True)
    if recipe.prediction_type:
        kept |= _predicting(kept, recipe.prediction_type)
    return {
        **kept,
        "format": "pt",
        MERGE_KEY: recipe_text(recipe),
        "sd_merge_recipe": json.dumps({**webui_recipe(recipe), **_channels(first)}, sort_keys=True),
        "sd_merge_models": json.dumps(webui_models(recipe, checkpoints), sort_keys=True),
    }


def _predicting(kept: Mapping[str, str], kind: PredictionType) -> dict[str, str]:
    """Entries that say what the result predicts."""
    entries = {MODELSPEC_KEY: next(word for word, each in MODELSPEC.items() if each == kind)}
    if BASE_KEY in kept and "scheduler" in (own := json.loads(kept[BASE_KEY])).get("configs", {}):
        own["configs"]["scheduler"] = scheduler_of(own["configs"]["scheduler"], kind, False)
        entries[BASE_KEY] = json.dumps(own, sort_keys=True)
    return entries


def webui_recipe(recipe: Recipe) -> dict[str, Any]:
    """As AUTOMATIC1111 writes it (modules/extras.py, run_modelmerger); what it cannot express is null."""
    step: Any = recipe.merge
    vae = None
    if isinstance(step, ReplaceVaeStep):
        step, vae = step.model, Path(_input(recipe, step.vae).path).name
    models = [step.a, step.b] if isinstance(step, PairStep | DifferenceStep) else []
    if isinstance(step, DifferenceStep):
        models.append(step.c)
    known = getattr(step, "method", None) in WEBUI_METHODS and all(isinstance(model, str) for model in models)
    hashes = [_input(recipe, model).sha256 for model in models if isinstance(model, str)] if known else []
    alpha = getattr(step, "alpha", None)
    return {
        "type": "webui" if known and isinstance(alpha, int | float) else "athanor",
        **dict(zip(
            ("primary_model_hash", "secondary_model_hash", "tertiary_model_hash"),
            [*hashes, None, None, None], strict=False,
        )),
        "interp_method": WEBUI_METHODS.get(getattr(step, "method", ""), "No interpolation"),
        "multiplier": alpha if isinstance(alpha, int | float) else None,
        "save_as_half": recipe.dtype == "fp16",
        "custom_name": "",
        "config_source": 0,
        "bake_in_vae": vae or "None",
        "discard_weights": "",
    }  # fmt: skip


def _channels(first: CheckpointFile) -> dict[str, bool]:
    if FIRST_CONVOLUTION not in first.tensors:  # no U-Net
        return {}
    channels = first.tensors[FIRST_CONVOLUTION].shape[1]
    return {"is_inpainting": channels == INPAINTING, "is_instruct_pix2pix": channels == PIX2PIX}


def webui_models(recipe: Recipe, checkpoints: Mapping[str, CheckpointFile]) -> dict[str, Any]:
    """The checkpoints by sha256, and those that they were merged from (ibid., sd_merge_models)."""
    models: dict[str, Any] = {}
    for name, checkpoint in checkpoints.items():
        earlier = _stated(checkpoint, "sd_merge_models")
        models |= earlier if isinstance(earlier, dict) else {}
        models[str(_input(recipe, name).sha256)] = {
            "name": checkpoint.path.name,
            "legacy_hash": legacy_hash(checkpoint.path) if checkpoint.path.is_file() else None,
            "sd_merge_recipe": _stated(checkpoint, "sd_merge_recipe"),
        }
    return models


def _stated(checkpoint: CheckpointFile, key: str) -> Any:
    """An entry of a stranger's header; None if it is not JSON."""
    try:
        return parse_json(checkpoint.metadata.get(key) or "null")
    except JsonError:
        warn(f"{checkpoint.path}: {key} in its header is not JSON; it is not copied to the result")
        return None


def folder_header(folder: Path) -> str:
    """A diffusers folder's configurations and tokenizer, in the form of our own single files
    (`load_base`).
    """
    files = {part: folder / part / "config.json" for part in PART_SCHEMAS} | {
        "scheduler": folder / "scheduler" / "scheduler_config.json"
    }
    configs = {
        part: {key: value for key, value in read_mapping(file).items() if key not in STAMPS}
        for part, file in files.items()
        if file.is_file()
    }
    own: dict[str, Any] = {
        "configs": checked_configs(configs, str(folder)),
        "tokenizer": _tokenizer(folder / "tokenizer"),
    }
    if (folder / T5_TOKENIZER / T5_VOCABULARY).is_file():
        with reporting_damage(f"{folder / T5_TOKENIZER} is not a readable tokenizer folder"):
            own[T5_TOKENIZER] = read_text(folder / T5_TOKENIZER / T5_VOCABULARY, JSON)
    return json.dumps(own, sort_keys=True)


def _tokenizer(folder: Path) -> dict[str, str] | None:
    """vocab.json and merges.txt; newer folders have only tokenizer.json."""
    whole = folder / "tokenizer.json"
    with reporting_damage(f"{folder} is not a readable tokenizer folder"):
        if all((folder / name).is_file() for name in TOKENIZER_FILES):
            texts = {name: read_text(folder / name, JSON) for name in TOKENIZER_FILES}
        elif whole.is_file():
            texts = older_tokenizer_files(read_mapping(whole))
        else:
            return None
    return tokenizer_texts(texts, str(folder))


def _input(recipe: Recipe, name: str) -> Input:
    given = recipe.inputs[name]
    return given if isinstance(given, Input) else Input(path=given)
