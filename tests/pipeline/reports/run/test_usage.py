"""What the program for diffusers says of the picture's settings; that it draws the grid's own picture is
tested with the stage.
"""

from dataclasses import replace
from pathlib import Path

from pipeline.bases.registry import families
from pipeline.reports.run.proposal import Proposal
from pipeline.reports.run.usage import uses

TAKEN = Proposal(
    kind="lora", family="adapter", path=Path("models/network/zib.safetensors"), weight=0.8, words=(),
    base={"path": "base", "vae": None}, merged=None, prompt="zib, hat", negative_prompt="", seed=7,
    sampler="euler_a", steps=20, guidance=7.0, width=512, height=768, clip_skip=1, infotext="",
    facts=families()["sd1"],
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


XL = replace(TAKEN, facts=families()["sdxl"], base={"path": "noob.safetensors", "vae": None})


def test_sdxl_has_its_own_pipeline_and_one_clip_skip() -> None:
    assert "diffusers.StableDiffusionXLPipeline.from_single_file(" in program(XL)
    assert "clip_skip" not in program(replace(XL, clip_skip=2))
    assert uses(replace(XL, clip_skip=2))[2].notes == []
    (note,) = uses(replace(XL, clip_skip=3))[2].notes
    assert note.startswith("The picture has clip skip 3 for the first text encoder alone")


def test_each_of_sdxls_encoders_gets_its_own_vectors() -> None:
    text = program(replace(XL, kind="embedding", family="embedding", words=("zib",)))
    compile(text, "program", "exec")
    assert 'load_textual_inversion(vectors["clip_l"], token="zib", tokenizer=pipe.tokenizer, text' in text
    assert 'load_textual_inversion(vectors["clip_g"], token="zib", tokenizer=pipe.tokenizer_2, text' in text


def test_a_base_that_predicts_v_is_drawn_as_it_was_trained() -> None:
    proposal = replace(XL, predicts_v=True, has_zero_snr=True, guidance_rescale=0.7, sampler="euler")
    a1111, comfyui, diffusers = uses(proposal)
    assert "prediction_type='v_prediction', rescale_betas_zero_snr=True)" in diffusers.blocks[0][1]
    assert "    guidance_rescale=0.7," in diffusers.blocks[0][1]
    assert ("Node RescaleCFG:", "multiplier 0.7") in comfyui.blocks
    assert "ModelSamplingDiscrete with sampling v_prediction and zsnr on" in comfyui.notes[0]
    assert ["v_pred" in note for note in a1111.notes] == [True, False]
    assert (
        "diffusers' HeunDiscreteScheduler does not know"
        in uses(replace(proposal, sampler="heun"))[2].notes[0]
    )


def test_a_folder_says_itself_what_it_predicts() -> None:
    proposal = replace(XL, predicts_v=True, base={"path": "noob", "vae": None})
    assert "prediction_type" not in program(proposal)


SD3 = replace(
    TAKEN, facts=families()["sd3"], sampler="heun",
    base={"path": "sd35", "vae": None, "t5": "own", "t5_tokens": 77},
)  # fmt: skip


def test_a_flow_is_drawn_with_its_own_scheduler_and_t5() -> None:
    """Its LoRA has other names than diffusers reads, so that the merged checkpoint is used."""
    (note,) = uses(SD3)[2].notes
    assert "zib.safetensors OUT.safetensors --to diffusers`): merge it into the base" in note
    merged = replace(SD3, merged=Path("models/merged/zib.safetensors"))
    text = program(merged)
    compile(text, "program", "exec")
    opened = 'StableDiffusion3Pipeline.from_single_file("models/merged/zib.safetensors", config="sd35")'
    assert opened in text
    assert "diffusers.FlowMatchHeunDiscreteScheduler.from_config(pipe.scheduler.config)" in text
    assert "    max_sequence_length=77," in text
    without = program(replace(merged, base={**SD3.base, "t5": "none"}))
    assert 'config="sd35", text_encoder_3=None, tokenizer_3=None)' in without
    assert "max_sequence_length" not in without


def test_embeddings_of_a_flow_are_not_for_diffusers() -> None:
    words = replace(SD3, kind="embedding", family="embedding", words=("zib",))
    (note,) = uses(words)[2].notes
    assert note == "diffusers cannot open embeddings of Stable Diffusion 3."
