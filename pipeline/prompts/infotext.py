"""Writes and reads infotexts: a picture's prompt and settings in AUTOMATIC1111's words
(modules/processing.py, create_infotext; modules/infotext_utils.py, parse_generation_parameters).

    a cat, <lora:zib:0.8>
    Negative prompt: blurry
    Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 1, Size: 512x512, ...
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline.config.schemas import Base
from pipeline.errors import UserError, warn
from pipeline.files.json_text import JsonError, parse_json
from pipeline.prompts.infotext_keys import DRAWN, insist_on_drawable
from pipeline.prompts.infotext_sampler import sampler_pairs
from pipeline.prompts.infotext_settings import LATENT_LABELS, settings_of
from pipeline.prompts.settings import Job, SecondPass, Settings

PARAMETERS, RECIPE = "parameters", "athanor"
"""Keywords of a PNG's texts: the infotext, and the same as JSON with what an infotext cannot hold."""
NEGATIVE = "Negative prompt: "
_PAIR = re.compile(r'(\w[\w \-/]{1,60}):\s*+("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
"""Names have a length limit, so that a line without names takes time in proportion to its length."""
MOST_TEXT = 1_000_000


@dataclass(frozen=True)
class Model:
    """What pictures are drawn with: the base by name and SHA-256 (None if it is not a checkpoint file), a
    separate VAE by file name and SHA-256, networks and embeddings by name with the start of A1111's hash for
    them.
    """

    name: str
    sha256: str | None = None
    vae: str | None = None
    vae_sha256: str | None = None
    network_hashes: Mapping[str, str] = field(default_factory=dict)
    embedding_hashes: Mapping[str, str] = field(default_factory=dict)


def infotext(job: Job, settings: Settings, model: Model) -> str:
    """One picture's settings, for people and for A1111."""
    pairs = {
        "Steps": settings.steps,
        **sampler_pairs(settings.sampler),
        "CFG scale": _number(settings.guidance),
        "Seed": job.seed,
        "Size": f"{settings.width}x{settings.height}",
        "Model hash": model.sha256[:10] if model.sha256 else None,
        "Model": _unmarked(model.name),
        "VAE hash": model.vae_sha256[:10] if model.vae_sha256 else None,
        "VAE": model.vae,
        "Denoising strength": settings.second_pass and _number(settings.second_pass.strength),
        "Clip skip": settings.clip_skip if settings.clip_skip > 1 else None,
        "RNG": "CPU",
        **_second_pass_pairs(settings.second_pass),
        "Lora hashes": _listed(model.network_hashes),
        "TI hashes": _listed(model.embedding_hashes),
    }
    last = ", ".join(f"{key}: {_quoted(str(value))}" for key, value in pairs.items() if value is not None)
    negative = f"\n{NEGATIVE}{settings.negative_prompt}" if settings.negative_prompt else ""
    return f"{job.prompt}{negative}\n{last}".strip()


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


def parameters_of(text: str) -> dict[str, str]:
    """An infotext's values by A1111's names, as text, with `Prompt` and `Negative prompt`."""
    *lines, last = text.strip().split("\n")
    pairs = _PAIR.findall(last)
    if len(pairs) < 3:
        lines, pairs = [*lines, last], []
    start = next((n for n, line in enumerate(lines) if line.startswith(NEGATIVE.strip())), len(lines))
    negative = "\n".join(lines[start:]).removeprefix(NEGATIVE.strip()).strip()
    settings = {key: _unquoted(value.strip()) for key, value in pairs}
    return {"Prompt": "\n".join(lines[:start]).strip(), "Negative prompt": negative, **settings}


def _unquoted(value: str) -> str:
    """As A1111 does: a quoted value that is not JSON stays as it is."""
    if not value.startswith('"'):
        return value
    try:
        return str(parse_json(value))
    except JsonError:
        return value


def parse_infotext(text: str) -> tuple[Job, Settings]:
    """Reads a picture's prompt, seed and settings, also from A1111's infotexts. Raises UserError if a setting
    is missing, unreadable or would change the picture, and warns of ignored settings (infotext_keys.py).
    `batch` is not part of an infotext (it becomes 1); an upscaler network is only named, not searched for.
    """
    if len(text) > MOST_TEXT:
        raise UserError(
            f"the infotext has {len(text)} characters, more than any tool writes; give one picture's infotext"
        )
    values = parameters_of(text)
    absent = [key for key in ("Steps", "Sampler", "CFG scale", "Seed", "Size") if key not in values]
    absent += ["Denoising strength"] * ("Hires upscale" in values and "Denoising strength" not in values)
    if absent:
        raise UserError(f"the infotext lacks {', '.join(absent)}; it must end in a line of settings")
    _insist_on_whole_line(text)
    seed, settings = settings_of(values)
    insist_on_drawable(values)
    return Job(values["Prompt"], seed), settings


def _insist_on_whole_line(text: str) -> None:
    """Raises UserError if a setting has two values; warns of text that is not a setting."""
    last = text.strip().split("\n")[-1]
    values: dict[str, set[str]] = {}
    for key, value in _PAIR.findall(last):
        values.setdefault(key, set()).add(value.strip())
    if twice := [key for key in DRAWN if len(values.get(key, ())) > 1]:
        raise UserError(f"the infotext has two values for {', '.join(twice)}; remove one")
    if rest := _PAIR.sub("", last).strip(" ,"):
        warn(f"the infotext's last line holds {rest[:60]!r}, which is not a setting and is ignored")


def recipe(job: Job, settings: Settings, **more: Any) -> str:
    """JSON with sorted keys: prompt, seed, settings, and `more` (hashes of the files)."""
    drawn = {key: value for key, value in asdict(settings).items() if key != "batch"}
    return json.dumps(
        {"prompt": job.prompt, "seed": job.seed, "settings": drawn, **more},
        sort_keys=True,
        ensure_ascii=False,
    )


def model_of(base: Base) -> Model:
    """The base and its VAE by file or folder name; with hashes of files only, as in other tools."""
    path, vae = Path(base.path), Path(base.vae) if base.vae else None
    return Model(
        path.stem,
        base.sha256 if path.is_file() else None,
        vae.name if vae else None,
        base.vae_sha256 if vae and vae.is_file() else None,
    )


def base_facts(base: Base) -> dict[str, str | None]:
    """The base's entry in a recipe."""
    return {"name": Path(base.path).name, "sha256": base.sha256, "vae_sha256": base.vae_sha256}


def png_texts(job: Job, settings: Settings, model: Model, **more: Any) -> dict[str, str]:
    """The texts in every PNG that we draw (pipeline/pictures/png.py)."""
    return {PARAMETERS: infotext(job, settings, model), RECIPE: recipe(job, settings, **more)}
