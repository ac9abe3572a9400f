"""A picture's prompt and settings in AUTOMATIC1111's words (modules/processing.py, create_infotext).
infotext_reader.py reads them.

    a cat, <lora:zib:0.8>
    Negative prompt: blurry
    Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 1, Size: 512x512, ...
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.bases.look import prediction_of
from pipeline.bases.prediction import V
from pipeline.prompts.infotext_sampler import SAMPLER_KEYS, SCHEDULE
from pipeline.prompts.infotext_settings import LATENT_LABELS
from pipeline.prompts.settings import DrawingSettings, PictureJob, SecondPass
from pipeline.schemas import BaseConfig
from pipeline.schemas.samplers import A1111_NAMES, K_SAMPLERS, SAMPLER_PARTS, SCHEDULES

INFOTEXT_KEYWORD, RECIPE_KEYWORD = "parameters", "athanor"
"""Keywords of a PNG's texts: the infotext, and the same as JSON with what an infotext cannot hold."""
NEGATIVE = "Negative prompt: "
NOISE_SCHEDULE, ZERO_SNR = "Noise Schedule", "Zero Terminal SNR"
"""A1111's setting `sd_noise_schedule`: pasting the infotext sets it. Forge goes by the checkpoint."""
PREDICTION = "Prediction type"
"""For people: A1111, Forge and ComfyUI go by the checkpoint alone."""


@dataclass(frozen=True)
class InfotextModel:
    """What pictures are drawn with: the base by name and SHA-256 (None if it is not a checkpoint file), a
    separate VAE by file name and SHA-256, networks and embeddings by name with the start of A1111's hash for
    them, whether the base predicts v and was trained with zero terminal SNR.
    """

    name: str
    sha256: str | None = None
    vae: str | None = None
    vae_sha256: str | None = None
    network_hashes: Mapping[str, str] = field(default_factory=dict)
    embedding_hashes: Mapping[str, str] = field(default_factory=dict)
    predicts_v: bool = False
    zero_terminal_snr: bool = False


def infotext(job: PictureJob, settings: DrawingSettings, model: InfotextModel) -> str:
    """One picture's settings, for people and for A1111."""
    pairs = {
        "Steps": settings.steps,
        **sampler_pairs(settings.sampler),
        "CFG scale": _number(settings.guidance),
        "CFG Rescale": _number(settings.guidance_rescale) if settings.guidance_rescale else None,
        "Seed": job.seed,
        "Size": f"{settings.width}x{settings.height}",
        "Model hash": model.sha256[:10] if model.sha256 else None,
        "Model": _unmarked(model.name),
        "VAE hash": model.vae_sha256[:10] if model.vae_sha256 else None,
        "VAE": model.vae,
        "Denoising strength": settings.second_pass and _number(settings.second_pass.strength),
        "Clip skip": settings.clip_skip if settings.clip_skip > 1 else None,
        "RNG": "CPU",
        NOISE_SCHEDULE: ZERO_SNR if model.zero_terminal_snr else None,
        PREDICTION: V if model.predicts_v else None,
        **_second_pass_pairs(settings.second_pass),
        "Lora hashes": _listed(model.network_hashes),
        "TI hashes": _listed(model.embedding_hashes),
    }
    last = ", ".join(f"{key}: {_quoted(str(value))}" for key, value in pairs.items() if value is not None)
    negative = f"\n{NEGATIVE}{settings.negative_prompt}" if settings.negative_prompt else ""
    return f"{job.prompt}{negative}\n{last}".strip()


def sampler_pairs(name: str) -> dict[str, str]:
    """The entries of the sampler `name` in an infotext."""
    if name not in SAMPLER_PARTS:
        return {SAMPLER_KEYS: A1111_NAMES[name]}
    sampler, schedule = SAMPLER_PARTS[name]
    return {SAMPLER_KEYS: K_SAMPLERS[sampler][0], SCHEDULE: SCHEDULES[schedule][0]}


def _second_pass_pairs(second: SecondPass | None) -> dict[str, object]:
    if second is None:
        return {}
    name = LATENT_LABELS.get(second.upscaler, Path(second.upscaler).stem)
    return {"Hires upscale": _number(second.scale), "Hires steps": second.steps, "Hires upscaler": name}


def _number(value: float) -> str:
    """7.0 as 7."""
    return repr(value).removesuffix(".0")


def _listed(hashes: Mapping[str, str]) -> str | None:
    return ", ".join(f"{_unmarked(name)}: {short}" for name, short in sorted(hashes.items())) or None


def _unmarked(name: str) -> str:
    """Without the marks that would end it in a list, as A1111 writes names."""
    return name.replace(",", "").replace(":", "")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False) if any(mark in text for mark in ",:\n") else text


def recipe(job: PictureJob, settings: DrawingSettings, **more: Any) -> str:
    """JSON with sorted keys: prompt, seed, settings, and `more` (hashes of the files)."""
    drawn = {key: value for key, value in settings.identity().items() if key != "batch"}
    return json.dumps(
        {"prompt": job.prompt, "seed": job.seed, "settings": drawn, **more},
        sort_keys=True,
        ensure_ascii=False,
    )


def model_of(base: BaseConfig) -> InfotextModel:
    """The base and its VAE by file or folder name; with hashes of files only, as in other tools."""
    path, vae, prediction = Path(base.path), Path(base.vae) if base.vae else None, prediction_of(base)
    return InfotextModel(
        path.stem,
        base.sha256 if path.is_file() else None,
        vae.name if vae else None,
        base.vae_sha256 if vae and vae.is_file() else None,
        predicts_v=prediction.type == V,
        zero_terminal_snr=prediction.zero_terminal_snr,
    )


def base_facts(base: BaseConfig) -> dict[str, Any]:
    """The base's entry in a recipe."""
    tiles = {} if base.vae_tiles == "none" else {"vae_tiles": base.vae_tiles}
    hashes = {"sha256": base.sha256, "vae_sha256": base.vae_sha256}
    t5 = {name: value for name, value in base.texts_identity.items() if name != "t5_tokenizer"}
    return {"name": Path(base.path).name, **hashes, **tiles, **t5}


def png_texts(
    job: PictureJob, settings: DrawingSettings, model: InfotextModel, **more: Any
) -> dict[str, str]:
    """The texts in every PNG that we draw (pipeline/pictures/png.py)."""
    return {INFOTEXT_KEYWORD: infotext(job, settings, model), RECIPE_KEYWORD: recipe(job, settings, **more)}
