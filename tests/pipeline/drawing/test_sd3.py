"""Drawing with Stable Diffusion 3 against diffusers' own pipeline, on the same random weights and noise."""

import copy
from typing import Any

import pytest
import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
    StableDiffusion3Pipeline,
)
from PIL import Image
from tokenizers import Tokenizer
from torch import Generator, Tensor
from transformers import PreTrainedTokenizerFast

from pipeline.bases.base import Base
from pipeline.bases.latents import decoded
from pipeline.bases.sd3.family import joint_tokens
from pipeline.bases.tokens import token_ids
from pipeline.drawing import text_to_image
from pipeline.drawing.conditioning import conditioning
from pipeline.drawing.flow_sampler import FlowSampler, sampler_of
from pipeline.drawing.text_to_image import draw
from pipeline.errors import UserError
from pipeline.prompts.settings import DrawingSettings, PictureJob, SecondPass
from tests.pipeline.bases.tiny import small_base

PROMPT, NEGATIVE = "1girl, solo, a very long dress", "bad anatomy"
WIDTH, HEIGHT, STEPS, SEED = 64, 96, 6, 7
SCHEDULERS = {"euler": FlowMatchEulerDiscreteScheduler, "heun": FlowMatchHeunDiscreteScheduler}


def settings(**changes: Any) -> DrawingSettings:
    plain: dict[str, Any] = {"steps": STEPS, "guidance": 5.0, "sampler": "euler", "width": WIDTH}
    plain |= {"height": HEIGHT, "negative_prompt": NEGATIVE, "clip_skip": 1, "batch": 2}
    return DrawingSettings(**{**plain, **changes})


def diffusers_pipe(base: Base, sampler: str) -> StableDiffusion3Pipeline:
    first, second = base.text_encoders
    tokenizer = copy.deepcopy(base.tokenizer)
    tokenizer.pad_token = "!"
    third = t5_tokenizer = None
    if base.t5_tokenizer:
        third = base.part("text_encoder_3")
        made = Tokenizer.from_str(base.t5_tokenizer.vocabulary)
        t5_tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="</s>", pad_token="<pad>")
    pipe = StableDiffusion3Pipeline(
        transformer=base.denoiser, vae=base.vae, scheduler=SCHEDULERS[sampler](shift=3.0),
        text_encoder=first, tokenizer=base.tokenizer, text_encoder_2=second, tokenizer_2=tokenizer,
        text_encoder_3=third, tokenizer_3=t5_tokenizer,
    )  # fmt: skip
    pipe.set_progress_bar_config(disable=True)
    return pipe


def start_noise() -> Tensor:
    return torch.randn((1, 16, HEIGHT // 8, WIDTH // 8), generator=Generator().manual_seed(SEED))


@pytest.mark.parametrize(("sampler", "with_t5"), [("euler", False), ("heun", False), ("euler", True)])
def test_latents_are_diffusers_own(sampler: str, with_t5: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    base, drawn = small_base("sd3", with_t5=with_t5), list[Tensor]()

    def noted(base: Base, latents: Tensor) -> list[Image.Image]:
        drawn.append(latents)
        return decoded(base, latents)

    monkeypatch.setattr(text_to_image, "decoded", noted)
    next(iter(draw(base, [PictureJob(PROMPT, SEED)], settings(sampler=sampler))))
    theirs = diffusers_pipe(base, sampler)(
        PROMPT, negative_prompt=NEGATIVE, width=WIDTH, height=HEIGHT, guidance_scale=5.0,
        num_inference_steps=STEPS, latents=start_noise(), output_type="latent",
    ).images  # fmt: skip
    assert (drawn[0] - theirs).abs().max() <= 1e-4


@pytest.mark.parametrize("with_t5", [False, True])
@pytest.mark.parametrize("text", ["", "a cat"])
def test_a_prompt_is_what_diffusers_encodes_and_what_training_shows(text: str, with_t5: bool) -> None:
    base = small_base("sd3", with_t5=with_t5)
    tokens, _, vector, _ = diffusers_pipe(base, "euler").encode_prompt(
        text, text, text, do_classifier_free_guidance=False
    )
    drawn = conditioning(base, text, 1)
    further = base.t5_tokenizer.ids([text]) if base.t5_tokenizer else None
    trained = base.family.encode_texts(base, token_ids(base.tokenizer, [text]), 1, further)
    assert torch.equal(drawn.tokens, trained.tokens)
    assert drawn.pooled is not None
    assert trained.pooled is not None
    assert torch.equal(drawn.pooled, trained.pooled)
    assert drawn.pooled.shape == (1, 16 + 24)
    assert torch.allclose(joint_tokens(drawn, 48), tokens, atol=1e-5)
    assert torch.allclose(drawn.pooled, vector, atol=1e-5)
    assert tokens.shape == (1, 77 + 256, 48)


def test_t5_reads_a_whole_prompt_without_its_weights() -> None:
    """CLIP reads two chunks of this prompt, and weighs them."""
    base = small_base("sd3", with_t5=True)
    assert base.t5_tokenizer is not None
    found = conditioning(base, "a (cat:1.5) BREAK red hair", 1)
    assert found.tokens.shape == (1, 2 * 77, 16 + 24)
    expected = base.family.encode_further(base, base.t5_tokenizer.ids(["a cat red hair"]))
    assert found.further is not None
    assert torch.equal(found.further, expected)


def test_a_second_pass_starts_from_the_noisy_picture() -> None:
    """Shift 3: the sigmas of 2 of 4 steps begin at 0.602151."""
    base = small_base("sd3")
    sampler = sampler_of(base, "euler", 4, first_step=2)
    assert isinstance(sampler, FlowSampler)
    ones = torch.ones(1, 16, 2, 2)
    found = sampler.noisy(ones, 3 * ones)
    assert torch.allclose(found, ones * (1 - 0.602151 + 3 * 0.602151), atol=1e-4)
    second = SecondPass(scale=2.0, strength=0.5, steps=1, upscaler="latent")
    picture = next(iter(draw(base, [PictureJob(PROMPT, SEED)], settings(steps=1, second_pass=second))))
    assert picture.size == (2 * WIDTH, 2 * HEIGHT)


def test_other_samplers_are_refused() -> None:
    base = small_base("sd3")
    with pytest.raises(UserError, match=r"sampler DDIM does not work with Stable Diffusion 3.*: Euler, Heun"):
        next(iter(draw(base, [PictureJob(PROMPT, SEED)], settings(sampler="ddim"))))
