"""How to use a network file elsewhere, ready to be copied: in AUTOMATIC1111, in ComfyUI, with diffusers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config.schemas.samplers import SCHEDULERS
from pipeline.prompts.plain import plain_prompt
from pipeline.reports.run.files import (
    A1111_FOLDERS,
    ADAPTER,
    AESTHETIC,
    CHECKPOINT,
    COMFY_FOLDERS,
    EMBEDDING,
    HYPERNETWORK,
    Family,
)

IN_DIFFUSERS = ("lora", "locon", "dylora")
"""Whose files diffusers opens; the others it does not know."""
SINGLE_FILES = (".safetensors", ".ckpt")


@dataclass(frozen=True)
class Taken:
    """The proposed file, and the picture to begin with. `kind`: network.name; `words`: of an embedding."""

    kind: str
    family: Family
    path: Path
    weight: float
    words: Sequence[str]
    base: Mapping[str, Any]
    merged: Path | None
    prompt: str
    negative_prompt: str
    seed: int
    sampler: str
    steps: int
    guidance: float
    width: int
    height: int
    clip_skip: int
    infotext: str
    is_plain: bool = True
    """Whether the other tools open it by itself: LoRA without DoRA."""
    second_steps: int = 0
    """Of the picture's second pass; 0: it has none."""


@dataclass(frozen=True)
class Use:
    """One tool: where the file goes, and blocks to copy, each with a sentence."""

    tool: str
    place: str
    blocks: Sequence[tuple[str, str]]
    notes: Sequence[str] = ()


def uses(taken: Taken) -> list[Use]:
    return [_a1111(taken), _comfyui(taken), _diffusers(taken)]


def call(taken: Taken) -> str:
    """What stands in AUTOMATIC1111's prompt."""
    if taken.family == ADAPTER:
        return f"<lora:{taken.path.stem}:{taken.weight:g}>"
    if taken.family == HYPERNETWORK:
        return f"<hypernet:{taken.path.stem}:{taken.weight:g}>"
    return ", ".join(taken.words) if taken.family == EMBEDDING else ""


def file_to_copy(taken: Taken) -> str:
    """Of a hypernetwork the .pt beside it; an embedding under its word, of several words one file each."""
    if taken.family in (HYPERNETWORK, AESTHETIC):
        return taken.path.with_suffix(".pt").name
    if taken.family == EMBEDDING and len(taken.words) > 1:
        return ", ".join(f"{taken.path.stem}_{word}.safetensors" for word in taken.words)
    return taken.path.name


def _place(taken: Taken, folder: str) -> str:
    if taken.family == EMBEDDING:
        names = ", ".join(f"{folder}/{word}.safetensors" for word in taken.words)
        return f"{file_to_copy(taken)} as {names}: the file's name is the word"
    return f"{file_to_copy(taken)} into {folder}/"


def _a1111(taken: Taken) -> Use:
    told = "Paste into the prompt and press the blue arrow: all settings follow."
    blocks = [(told, taken.infotext)] if taken.infotext else []
    if word := call(taken):
        blocks.insert(0, ("In the prompt:", word))
    notes = ["Choose it as the checkpoint; nothing goes into the prompt."] if not call(taken) else []
    if taken.family == AESTHETIC:
        notes = [
            "Choose it in the panel of the extension for aesthetic gradients; nothing goes into the prompt."
        ]
    return Use("AUTOMATIC1111", _place(taken, A1111_FOLDERS[taken.family]), blocks, notes)


def _comfyui(taken: Taken) -> Use:
    if taken.family == AESTHETIC:
        return Use("ComfyUI", "not at all", [], ["ComfyUI has no aesthetic gradients."])
    weight = f"{taken.weight:g}"
    told = {
        ADAPTER: ("Node Load LoRA:", f"strength_model {weight}\nstrength_clip {weight}"),
        HYPERNETWORK: ("Node HypernetworkLoader:", f"strength {weight}"),
        EMBEDDING: ("In CLIP Text Encode:", " ".join(f"embedding:{word}" for word in taken.words)),
        CHECKPOINT: ("Node Load Checkpoint:", taken.path.name),
    }[taken.family]
    name = f"{taken.path.stem}-diff.safetensors" if taken.kind == "ia3" else file_to_copy(taken)
    folder = COMFY_FOLDERS[taken.family]
    place = _place(taken, folder) if taken.kind != "ia3" else f"{name} into {folder}/"
    return Use("ComfyUI", place, [told, ("Prompt:", taken.prompt)])


def _diffusers(taken: Taken) -> Use:
    place = "where it is: run this from the project's root"
    if taken.family in (HYPERNETWORK, AESTHETIC):
        lacks = "hypernetworks" if taken.family == HYPERNETWORK else "aesthetic gradients"
        return Use("diffusers", "not at all", [], [f"diffusers has no {lacks}."])
    opened, notes = _opened(Path(taken.base["path"]), taken.base), _limits(taken)
    loaded = [] if taken.family == CHECKPOINT else [*_vae(taken.base), *_loaded(taken)]
    if taken.family == CHECKPOINT:
        opened = _opened(taken.path, taken.base)
    if taken.family == ADAPTER and not (taken.kind in IN_DIFFUSERS and taken.is_plain):
        if taken.merged is None:
            return Use("diffusers", place, [], [f"diffusers opens no {taken.kind}: merge it into the base."])
        opened, loaded = _opened(taken.merged, taken.base), []
        notes = [f"diffusers opens no {taken.kind}; this is the merged checkpoint.", *notes]
    return Use("diffusers", place, [("", _code(taken, opened, loaded))], notes)


def _plain(taken: Taken, prompt: str) -> str:
    """The prompt as diffusers reads it."""
    return plain_prompt(prompt, taken.steps, taken.second_steps)


def _limits(taken: Taken) -> list[str]:
    """What the program leaves out of the picture's settings."""
    notes, prompts = [], (taken.prompt, taken.negative_prompt)
    if any(_plain(taken, prompt) != prompt for prompt in prompts):
        notes.append("diffusers knows no weights, BREAK, steps or calls in prompts: they are left out here.")
    if taken.second_steps:
        notes.append("The program draws the first pass alone.")
    return notes


def _opened(path: Path, base: Mapping[str, Any]) -> str:
    """A single file takes its configuration from the base's folder; where the base is a single file too,
    diffusers fetches that of SD 1.5.
    """
    if path.suffix not in SINGLE_FILES:
        return f'from_pretrained("{path.as_posix()}")'
    config = "" if Path(base["path"]).suffix in SINGLE_FILES else f', config="{base["path"]}"'
    return f'from_single_file("{path.as_posix()}"{config})'


def _vae(base: Mapping[str, Any]) -> list[str]:
    """A line that puts the base's other VAE into `pipe`."""
    if not base.get("vae"):
        return []
    way = "single_file" if Path(base["vae"]).suffix in SINGLE_FILES else "pretrained"
    return [f'pipe.vae = diffusers.AutoencoderKL.from_{way}("{base["vae"]}")']


def _loaded(taken: Taken) -> list[str]:
    """Lines that put the network into `pipe`."""
    folder, name = taken.path.parent.as_posix(), taken.path.name
    if taken.family == ADAPTER:
        return [
            f'pipe.load_lora_weights("{folder}", weight_name="{name}", adapter_name="network")',
            f'pipe.set_adapters("network", {taken.weight:g})',
        ]
    if len(taken.words) == 1:
        return [f'pipe.load_textual_inversion("{folder}/{name}", token="{taken.words[0]}")']
    return [
        f'pipe.load_textual_inversion("{folder}/{taken.path.stem}_{word}.safetensors", token="{word}")'
        for word in taken.words
    ]


def _code(taken: Taken, opened: str, loaded: Sequence[str]) -> str:
    """A whole program. AUTOMATIC1111's clip skip 2 is diffusers' 1."""
    kind, options = SCHEDULERS[taken.sampler]
    if kind == "DPMSolverSDEScheduler":
        options = options | {"noise_sampler_seed": taken.seed}
    told = "".join(f", {name}={value!r}" for name, value in options.items())
    negative = _plain(taken, taken.negative_prompt)
    settings = [
        repr(_plain(taken, taken.prompt)),
        *([f"negative_prompt={negative!r}"] if negative else []),
        f"width={taken.width}, height={taken.height}",
        f"num_inference_steps={taken.steps}, guidance_scale={taken.guidance:g}",
        *([f"clip_skip={taken.clip_skip - 1}"] if taken.clip_skip > 1 else []),
        f'generator=torch.Generator("cpu").manual_seed({taken.seed})',
    ]
    lines = [
        "import diffusers",
        "import torch",
        "",
        f"pipe = diffusers.StableDiffusionPipeline.{opened}",
        f"pipe.scheduler = diffusers.{kind}.from_config(pipe.scheduler.config{told})",
        *loaded,
        "picture = pipe(",
        *(f"    {setting}," for setting in settings),
        ").images[0]",
        'picture.save("picture.png")',
    ]
    return "\n".join(lines)
