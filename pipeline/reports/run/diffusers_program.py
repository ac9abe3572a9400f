"""A program for diffusers that draws with the proposed file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.bases.prediction import V
from pipeline.prompts.plain import plain_prompt
from pipeline.reports.run.files import ADAPTER, AESTHETIC, CHECKPOINT, EMBEDDING, HYPERNETWORK
from pipeline.reports.run.proposal import Proposal, Use
from pipeline.schemas.samplers import FLOW_SCHEDULERS, SCHEDULERS

IN_DIFFUSERS = ("lora", "locon", "dylora")
"""Algorithms whose files diffusers opens."""
SDXL_CLIP_SKIP = 2
"""Clip skip of every SDXL base."""
WITHOUT_ZERO_SNR = ("HeunDiscreteScheduler", "LMSDiscreteScheduler", "DPMSolverSDEScheduler")
SINGLE_FILES = (".safetensors", ".ckpt")


def in_diffusers(proposal: Proposal) -> Use:
    place = "leave it in place and run this from the project's root"
    if proposal.family in (HYPERNETWORK, AESTHETIC):
        lacks = "hypernetworks" if proposal.family == HYPERNETWORK else "aesthetic gradients"
        return Use("diffusers", "not at all", [], [f"diffusers has no {lacks}."])
    opened, notes = _opened(Path(proposal.base["path"]), proposal.base), _limits(proposal)
    loaded = [] if proposal.family == CHECKPOINT else [*_vae(proposal.base), *_loaded(proposal)]
    if proposal.family == CHECKPOINT:
        opened = _opened(proposal.path, proposal.base)
    if problem := _unread(proposal):
        if proposal.merged is None:
            cure = "." if proposal.family == EMBEDDING else ": merge it into the base."
            return Use("diffusers", place, [], [f"{problem}{cure}"])
        opened, loaded = _opened(proposal.merged, proposal.base), []
        notes = [f"{problem}; this uses the merged checkpoint.", *notes]
    if proposal.facts and proposal.facts.has_t5 and not proposal.has_t5:
        opened = f"{opened[:-1]}, text_encoder_3=None, tokenizer_3=None)"
    return Use("diffusers", place, [("", _code(proposal, opened, loaded))], notes)


def _unread(proposal: Proposal) -> str | None:
    """Why diffusers does not open the file itself; None if it does."""
    if proposal.family == EMBEDDING and proposal.is_flow:
        return f"diffusers cannot open embeddings of {proposal.facts.title if proposal.facts else 'flows'}"
    if proposal.family != ADAPTER:
        return None
    if not (proposal.kind in IN_DIFFUSERS and proposal.is_plain):
        return f"diffusers cannot open {proposal.kind} files"
    if proposal.facts and not proposal.facts.diffusers_reads_names:
        convert = (
            f"`python -m pipeline.networks convert {proposal.path.as_posix()} OUT.safetensors --to diffusers`"
        )
        return f"diffusers opens {proposal.facts.title}'s networks only under its own names ({convert})"
    return None


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
    if proposal.has_zero_snr and (kind := SCHEDULERS[proposal.sampler][0]) in WITHOUT_ZERO_SNR:
        notes.append(f"diffusers' {kind} does not know zero terminal SNR: its picture differs.")
    if proposal.has_two_encoders and proposal.clip_skip > SDXL_CLIP_SKIP:
        notes.append(
            f"The picture has clip skip {proposal.clip_skip} for the first text encoder alone; diffusers"
            " would apply it to both, so the program leaves it out."
        )
    return notes


def _opened(path: Path, base: Mapping[str, Any]) -> str:
    """The loading call. A single file takes its configuration from the base's folder; if the base is a single
    file too, diffusers fetches the family's.
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
    is_one = len(proposal.words) == 1
    files = [
        f"{folder}/{name}" if is_one else f"{folder}/{proposal.path.stem}_{word}.safetensors"
        for word in proposal.words
    ]
    if proposal.has_two_encoders:
        return [
            line
            for file, word in zip(files, proposal.words, strict=True)
            for line in _for_two_encoders(file, word)
        ]
    return [
        f'pipe.load_textual_inversion("{file}", token="{word}")'
        for file, word in zip(files, proposal.words, strict=True)
    ]


def _for_two_encoders(file: str, word: str) -> list[str]:
    """Lines that give each encoder its own vectors of the word."""
    encoders = (("clip_l", ""), ("clip_g", "_2"))
    return [
        f'vectors = load_file("{file}")',
        *(
            f'pipe.load_textual_inversion(vectors["{name}"], token="{word}",'
            f" tokenizer=pipe.tokenizer{number}, text_encoder=pipe.text_encoder{number})"
            for name, number in encoders
        ),
    ]


def _code(proposal: Proposal, opened: str, loaded: Sequence[str]) -> str:
    """A whole program."""
    needs_vectors = any("load_file" in line for line in loaded)
    lines = [
        "import diffusers",
        "import torch",
        *(["from safetensors.torch import load_file"] if needs_vectors else []),
        "",
        f"pipe = diffusers.{proposal.pipeline}.{opened}",
        _scheduler(proposal, opened),
        *loaded,
        "picture = pipe(",
        *(f"    {setting}," for setting in _settings(proposal)),
        ").images[0]",
        'picture.save("picture.png")',
    ]
    return "\n".join(lines)


def _scheduler(proposal: Proposal, opened: str) -> str:
    """The line that puts the sampler into `pipe`. diffusers does not read a single file's markers."""
    kind, options = SCHEDULERS[proposal.sampler]
    if proposal.is_flow:
        kind, options = FLOW_SCHEDULERS.get(proposal.sampler, FLOW_SCHEDULERS["euler"]), {}
    options = dict(options)
    if kind == "DPMSolverSDEScheduler":
        options["noise_sampler_seed"] = proposal.seed
    if proposal.predicts_v and opened.startswith("from_single_file"):
        options["prediction_type"] = V
        if proposal.has_zero_snr:
            options |= {"rescale_betas_zero_snr": True}
    arguments = "".join(f", {name}={value!r}" for name, value in options.items())
    return f"pipe.scheduler = diffusers.{kind}.from_config(pipe.scheduler.config{arguments})"


def _settings(proposal: Proposal) -> list[str]:
    """The picture's arguments. AUTOMATIC1111's clip skip 2 is diffusers' 1."""
    negative = _plain(proposal, proposal.negative_prompt)
    length = proposal.base.get("t5_tokens")
    has_skip = proposal.clip_skip > 1 and not proposal.has_two_encoders
    return [
        repr(_plain(proposal, proposal.prompt)),
        *([f"negative_prompt={negative!r}"] if negative else []),
        f"width={proposal.width}, height={proposal.height}",
        f"num_inference_steps={proposal.steps}, guidance_scale={proposal.guidance:g}",
        *([f"guidance_rescale={proposal.guidance_rescale:g}"] if proposal.guidance_rescale else []),
        *([f"clip_skip={proposal.clip_skip - 1}"] if has_skip else []),
        *([f"max_sequence_length={length}"] if proposal.has_t5 and length else []),
        f'generator=torch.Generator("cpu").manual_seed({proposal.seed})',
    ]
