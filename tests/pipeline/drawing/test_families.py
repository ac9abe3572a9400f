"""Pictures of every family, against diffusers' own pipelines on the same random weights and noise."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline
from PIL import Image
from torch import Tensor
from transformers import CLIPTokenizer

from pipeline.bases.base import Base
from pipeline.bases.latents import decoded
from pipeline.bases.registry import families
from pipeline.bases.tokens import token_ids
from pipeline.drawing import text_to_image
from pipeline.drawing.conditioning import conditioning, emphasised
from pipeline.drawing.samplers import start_noise
from pipeline.drawing.text_to_image import draw, rescaled
from pipeline.prompts.settings import DrawingSettings, PictureJob, SecondPass
from tests.pipeline.bases.test_text import small_base

PROMPT = "1girl, solo, a very long dress"
WIDTH, HEIGHT, STEPS, SEED = 64, 96, 20, 7


def settings(negative: str, **changes: Any) -> DrawingSettings:
    plain: dict[str, Any] = {
        "steps": STEPS,
        "guidance": 5.0,
        "sampler": "ddim",
        "width": WIDTH,
        "height": HEIGHT,
    }
    return DrawingSettings(**{**plain, "negative_prompt": negative, "clip_skip": 1, "batch": 2, **changes})


def padded_tokenizer(base: Base) -> CLIPTokenizer:
    """OpenCLIP's, which pads with "!"."""
    made = copy.deepcopy(base.tokenizer)
    made.pad_token = "!"
    return made


def theirs(base: Base, negative: str | None) -> Tensor:
    """diffusers' latents [1, 4, height/8, width/8]."""
    scheduler = DDIMScheduler.from_config(base.configs["scheduler"], clip_sample=False)
    parts = {"vae": base.vae, "unet": base.denoiser, "scheduler": scheduler}
    if base.family.facts.name == "sdxl":
        first, second = base.text_encoders
        pipe = StableDiffusionXLPipeline(
            text_encoder=first, text_encoder_2=second, tokenizer=base.tokenizer,
            tokenizer_2=padded_tokenizer(base), add_watermarker=False, **parts,
        )  # fmt: skip
    else:
        tokenizer = padded_tokenizer(base) if base.family.facts.name == "sd2" else base.tokenizer
        pipe = StableDiffusionPipeline(
            text_encoder=base.text_encoders[0], tokenizer=tokenizer, safety_checker=None,
            feature_extractor=None, requires_safety_checker=False, **parts,
        )  # fmt: skip
    pipe.set_progress_bar_config(disable=True)
    noise = start_noise([torch.Generator().manual_seed(SEED)], WIDTH, HEIGHT)
    found = pipe(
        PROMPT, negative_prompt=negative, width=WIDTH, height=HEIGHT, num_inference_steps=STEPS,
        guidance_scale=5.0, latents=noise, output_type="latent",
    )  # fmt: skip
    latents: Tensor = found.images
    return latents


@pytest.mark.parametrize("negative", ["bad anatomy", None])
@pytest.mark.parametrize("name", ["sd1", "sd2", "sdxl"])
def test_latents_and_picture_are_diffusers_own(
    name: str, negative: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, drawn = small_base(name), list[Tensor]()

    def noted(base: Base, latents: Tensor) -> list[Image.Image]:
        drawn.append(latents)
        return decoded(base, latents)

    monkeypatch.setattr(text_to_image, "decoded", noted)
    ours = next(iter(draw(base, [PictureJob(PROMPT, SEED)], settings(negative or ""))))
    other = theirs(base, negative)
    assert (drawn[0] - other).abs().max() <= 1e-4
    picture = decoded(base, other)[0]
    assert np.abs(np.asarray(ours, int) - np.asarray(picture, int)).max() <= 1  # a rounded level


def test_a_prompt_without_words_is_zeros_where_the_family_was_trained_so() -> None:
    base = small_base("sdxl")
    empty, worded = (conditioning(base, text, 1) for text in ("", "a cat"))
    assert not empty.tokens.any()
    assert empty.pooled is not None
    assert not empty.pooled.any()
    assert worded.tokens.any()
    assert conditioning(small_base("sd2"), "", 1).tokens.any()


@pytest.mark.parametrize("name", ["sd1", "sd2", "sdxl"])
@pytest.mark.parametrize("text", ["", "a cat"])
def test_a_picture_is_drawn_with_what_training_shows(name: str, text: str) -> None:
    """Also a caption that was dropped: zeros in both for SDXL."""
    base = small_base(name)
    drawn, trained = (
        conditioning(base, text, 1),
        base.family.encode(base, token_ids(base.tokenizer, [text]), 1),
    )
    assert torch.equal(drawn.tokens, trained.tokens)
    if trained.pooled is not None:
        assert drawn.pooled is not None
        assert torch.equal(drawn.pooled, trained.pooled)
    in_chunks = base.family.encode(base, token_ids(base.tokenizer, [text, "cat " * 80], max_tokens=225), 1)
    assert in_chunks.tokens[0].any() == trained.tokens.any()


def test_each_encoders_answer_keeps_its_own_mean() -> None:
    base = small_base("sdxl")
    plain, weighted = (conditioning(base, text, 1).tokens[0] for text in ("a cat dog", "a (cat:1.5) dog"))
    weights = torch.ones(1, 77)
    weights[0, 2] = 1.5
    for part in (slice(0, 16), slice(16, 40)):
        assert torch.allclose(weighted[:, part], emphasised(plain[None, :, part], weights)[0], atol=1e-6)


def test_a_second_pass_is_conditioned_on_its_own_size() -> None:
    base, seen = small_base("sdxl"), list[list[int]]()

    def look(module: object, arguments: object, named: dict[str, dict[str, torch.Tensor]]) -> None:
        seen.append(named["added_cond_kwargs"]["time_ids"][0].int().tolist())

    base.denoiser.register_forward_pre_hook(look, with_kwargs=True)
    second = SecondPass(scale=2.0, strength=0.5, steps=1, upscaler="latent")
    next(iter(draw(base, [PictureJob(PROMPT, SEED)], settings("", steps=1, second_pass=second))))
    assert seen[0] == [HEIGHT, WIDTH, 0, 0, HEIGHT, WIDTH]
    assert seen[-1] == [2 * HEIGHT, 2 * WIDTH, 0, 0, 2 * HEIGHT, 2 * WIDTH]


def test_every_family_with_published_configurations_is_drawn_here() -> None:
    assert set(families()) == {"sd1", "sd2", "sdxl", "sd3"}  # sd3: test_sd3.py


def test_a_rescaled_answer_has_the_deviation_of_the_prompts_own_by_hand() -> None:

    guided = torch.tensor([[[[-4.0, 4.0]]], [[[-2.0, 2.0]]]])
    positive = torch.tensor([[[[-1.0, 1.0]]], [[[-2.0, 2.0]]]])
    # deviations 5.66 and 1.41 in the first picture: factor 1/4, and 0.7 / 4 + 0.3 = 0.475 of the way
    assert torch.allclose(rescaled(guided, positive, 0.7)[0], 0.475 * guided[0])
    assert torch.allclose(rescaled(guided, positive, 0.7)[1], guided[1])
    assert torch.equal(rescaled(guided, positive, 1.0)[0], positive[0])
