"""What the program for diffusers says of the picture's settings; that it draws the grid's own picture is
tested with the stage.
"""

from dataclasses import replace
from pathlib import Path

from pipeline.reports.run.usage import Proposal, uses

TAKEN = Proposal(
    kind="lora", family="adapter", path=Path("models/network/zib.safetensors"), weight=0.8, words=(),
    base={"path": "base", "vae": None}, merged=None, prompt="zib, hat", negative_prompt="", seed=7,
    sampler="euler_a", steps=20, guidance=7.0, width=512, height=768, clip_skip=1, infotext="",
)  # fmt: skip


def program(proposal: Proposal) -> str:
    return uses(proposal)[2].blocks[0][1]


def test_a_plain_picture_needs_no_note() -> None:
    text = program(TAKEN)
    assert "diffusers.EulerAncestralDiscreteScheduler.from_config(pipe.scheduler.config, timestep" in text
    assert "    'zib, hat'," in text
    assert "clip_skip" not in text
    assert "AutoencoderKL" not in text
    assert uses(TAKEN)[2].notes == []


def test_what_diffusers_cannot_read_is_left_out_and_said() -> None:
    proposal = replace(
        TAKEN, prompt="zib, (hat:1.2)<lora:ink>", negative_prompt="[bad]", second_steps=5, clip_skip=2,
        sampler="dpmpp_sde_karras", base={"path": "base", "vae": "clear.vae.safetensors"},
    )  # fmt: skip
    text = program(proposal)
    for wanted in (
        "    'zib, hat',",
        "negative_prompt='bad',",
        "clip_skip=1,",
        "use_karras_sigmas=True, noise_sampler_seed=7)",
        'pipe.vae = diffusers.AutoencoderKL.from_single_file("clear.vae.safetensors")',
    ):
        assert wanted in text
    assert [note.split()[:2] for note in uses(proposal)[2].notes] == [
        ["diffusers", "has"],
        ["The", "program"],
    ]
