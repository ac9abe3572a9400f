"""How to use a network file in AUTOMATIC1111, ComfyUI and diffusers, ready to copy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.prompts.plain import plain_prompt
from pipeline.reports.run.files import (
    A1111_FOLDERS,
    ADAPTER,
    AESTHETIC,
    CHECKPOINT,
    COMFY_FOLDERS,
    EMBEDDING,
    HYPERNETWORK,
    FamilyName,
)
from pipeline.schemas.samplers import SCHEDULERS

IN_DIFFUSERS = ("lora", "locon", "dylora")
"""Algorithms whose files diffusers opens."""
SINGLE_FILES = (".safetensors", ".ckpt")


@dataclass(frozen=True)
class Proposal:
    """The proposed file, and a picture to start with. `kind`: network.name; `words`: of an embedding."""

    kind: str
    family: FamilyName
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
    """Whether other tools open the file directly: LoRA without DoRA."""
    second_steps: int = 0
    """Steps of the picture's second pass; 0: none."""


@dataclass(frozen=True)
class Use:
    """How to use one tool: where the file goes, and blocks to copy, each with a sentence."""

    tool: str
    place: str
    blocks: Sequence[tuple[str, str]]
    notes: Sequence[str] = ()


def uses(proposal: Proposal) -> list[Use]:
    return [_a1111(proposal), _comfyui(proposal), _diffusers(proposal)]


def call(proposal: Proposal) -> str:
    """The text for AUTOMATIC1111's prompt."""
    if proposal.family == ADAPTER:
        return f"<lora:{proposal.path.stem}:{proposal.weight:g}>"
    if proposal.family == HYPERNETWORK:
        return f"<hypernet:{proposal.path.stem}:{proposal.weight:g}>"
    return ", ".join(proposal.words) if proposal.family == EMBEDDING else ""


def file_to_copy(proposal: Proposal) -> str:
    """The file for other tools: a hypernetwork's .pt, an embedding's file for each of its words."""
    if proposal.family in (HYPERNETWORK, AESTHETIC):
        return proposal.path.with_suffix(".pt").name
    if proposal.family == EMBEDDING and len(proposal.words) > 1:
        return ", ".join(f"{proposal.path.stem}_{word}.safetensors" for word in proposal.words)
    return proposal.path.name


def _place(proposal: Proposal, folder: str) -> str:
    if proposal.family == EMBEDDING:
        names = ", ".join(f"{folder}/{word}.safetensors" for word in proposal.words)
        return f"{file_to_copy(proposal)} as {names}: the file's name is the word"
    return f"{file_to_copy(proposal)} into {folder}/"


def _a1111(proposal: Proposal) -> Use:
    paste = "Paste this into the prompt and press the blue arrow: it applies all settings."
    blocks = [(paste, proposal.infotext)] if proposal.infotext else []
    if word := call(proposal):
        blocks.insert(0, ("In the prompt:", word))
    notes = ["Select it as the checkpoint; the prompt needs nothing."] if not call(proposal) else []
    if proposal.family == AESTHETIC:
        notes = ["Select it in the panel of the aesthetic gradients extension; the prompt needs nothing."]
    return Use("AUTOMATIC1111", _place(proposal, A1111_FOLDERS[proposal.family]), blocks, notes)


def _comfyui(proposal: Proposal) -> Use:
    if proposal.family == AESTHETIC:
        return Use("ComfyUI", "not at all", [], ["ComfyUI has no aesthetic gradients."])
    weight = f"{proposal.weight:g}"
    block = {
        ADAPTER: ("Node Load LoRA:", f"strength_model {weight}\nstrength_clip {weight}"),
        HYPERNETWORK: ("Node HypernetworkLoader:", f"strength {weight}"),
        EMBEDDING: ("In CLIP Text Encode:", " ".join(f"embedding:{word}" for word in proposal.words)),
        CHECKPOINT: ("Node Load Checkpoint:", proposal.path.name),
    }[proposal.family]
    name = f"{proposal.path.stem}-diff.safetensors" if proposal.kind == "ia3" else file_to_copy(proposal)
    folder = COMFY_FOLDERS[proposal.family]
    place = _place(proposal, folder) if proposal.kind != "ia3" else f"{name} into {folder}/"
    return Use("ComfyUI", place, [block, ("Prompt:", proposal.prompt)])


def _diffusers(proposal: Proposal) -> Use:
    place = "leave it in place and run this from the project's root"
    if proposal.family in (HYPERNETWORK, AESTHETIC):
        lacks = "hypernetworks" if proposal.family == HYPERNETWORK else "aesthetic gradients"
        return Use("diffusers", "not at all", [], [f"diffusers has no {lacks}."])
    opened, notes = _opened(Path(proposal.base["path"]), proposal.base), _limits(proposal)
    loaded = [] if proposal.family == CHECKPOINT else [*_vae(proposal.base), *_loaded(proposal)]
    if proposal.family == CHECKPOINT:
        opened = _opened(proposal.path, proposal.base)
    if proposal.family == ADAPTER and not (proposal.kind in IN_DIFFUSERS and proposal.is_plain):
        if proposal.merged is None:
            return Use(
                "diffusers",
                place,
                [],
                [f"diffusers cannot open {proposal.kind} files: merge it into the base."],
            )
        opened, loaded = _opened(proposal.merged, proposal.base), []
        notes = [f"diffusers cannot open {proposal.kind} files; this uses the merged checkpoint.", *notes]
    return Use("diffusers", place, [("", _code(proposal, opened, loaded))], notes)


def _plain(proposal: Proposal, prompt: str) -> str:
    """The prompt as diffusers reads it."""
    return plain_prompt(prompt, proposal.steps, proposal.second_steps)


def _limits(proposal: Proposal) -> list[str]:
    """The picture's settings that the program omits."""
    notes, prompts = [], (proposal.prompt, proposal.negative_prompt)
    if any(_plain(proposal, prompt) != prompt for prompt in prompts):
        notes.append("diffusers has no weights, BREAK, steps or calls in prompts: they are left out here.")
    if proposal.second_steps:
        notes.append("The program draws only the first pass.")
    return notes


def _opened(path: Path, base: Mapping[str, Any]) -> str:
    """The loading call. A single file takes its configuration from the base's folder; if the base is a single
    file too, diffusers fetches SD 1.5's.
    """
    if path.suffix not in SINGLE_FILES:
        return f'from_pretrained("{path.as_posix()}")'
    config = "" if Path(base["path"]).suffix in SINGLE_FILES else f', config="{base["path"]}"'
    return f'from_single_file("{path.as_posix()}"{config})'


def _vae(base: Mapping[str, Any]) -> list[str]:
    """A line that puts the base's separate VAE into `pipe`."""
    if not base.get("vae"):
        return []
    way = "single_file" if Path(base["vae"]).suffix in SINGLE_FILES else "pretrained"
    return [f'pipe.vae = diffusers.AutoencoderKL.from_{way}("{base["vae"]}")']


def _loaded(proposal: Proposal) -> list[str]:
    """Lines that put the network into `pipe`."""
    folder, name = proposal.path.parent.as_posix(), proposal.path.name
    if proposal.family == ADAPTER:
        return [
            f'pipe.load_lora_weights("{folder}", weight_name="{name}", adapter_name="network")',
            f'pipe.set_adapters("network", {proposal.weight:g})',
        ]
    if len(proposal.words) == 1:
        return [f'pipe.load_textual_inversion("{folder}/{name}", token="{proposal.words[0]}")']
    return [
        f'pipe.load_textual_inversion("{folder}/{proposal.path.stem}_{word}.safetensors", token="{word}")'
        for word in proposal.words
    ]


def _code(proposal: Proposal, opened: str, loaded: Sequence[str]) -> str:
    """A whole program. AUTOMATIC1111's clip skip 2 is diffusers' 1."""
    kind, options = SCHEDULERS[proposal.sampler]
    if kind == "DPMSolverSDEScheduler":
        options = options | {"noise_sampler_seed": proposal.seed}
    arguments = "".join(f", {name}={value!r}" for name, value in options.items())
    negative = _plain(proposal, proposal.negative_prompt)
    settings = [
        repr(_plain(proposal, proposal.prompt)),
        *([f"negative_prompt={negative!r}"] if negative else []),
        f"width={proposal.width}, height={proposal.height}",
        f"num_inference_steps={proposal.steps}, guidance_scale={proposal.guidance:g}",
        *([f"clip_skip={proposal.clip_skip - 1}"] if proposal.clip_skip > 1 else []),
        f'generator=torch.Generator("cpu").manual_seed({proposal.seed})',
    ]
    lines = [
        "import diffusers",
        "import torch",
        "",
        f"pipe = diffusers.StableDiffusionPipeline.{opened}",
        f"pipe.scheduler = diffusers.{kind}.from_config(pipe.scheduler.config{arguments})",
        *loaded,
        "picture = pipe(",
        *(f"    {setting}," for setting in settings),
        ").images[0]",
        'picture.save("picture.png")',
    ]
    return "\n".join(lines)
