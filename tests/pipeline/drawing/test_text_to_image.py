from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.bases.base import Base
from pipeline.bases.conditioning import Conditioning
from pipeline.bases.sd1.family import SD1
from pipeline.drawing import text_to_image
from pipeline.drawing.conditioning import conditioning
from pipeline.drawing.text_to_image import batches, draw
from pipeline.errors import UserError
from pipeline.prompts.settings import DrawingSettings, PictureJob
from tests.pipeline.bases.random_sd1 import random_base

LONG = "a " * 80


@pytest.fixture(scope="module")
def base() -> Base:
    return random_base()


def settings(**changes: Any) -> DrawingSettings:
    plain: dict[str, Any] = {
        "steps": 3,
        "guidance": 5.0,
        "sampler": "ddim",
        "negative_prompt": "bad",
        "width": 64,
    }
    return DrawingSettings(**{**plain, "height": 64, "clip_skip": 1, "batch": 2, **changes})


def far(one: Image.Image, two: Image.Image) -> int:
    """The greatest difference, of 255."""
    return int(np.abs(np.asarray(one).astype(int) - np.asarray(two).astype(int)).max())


def drawn(base: Base, prompt: str, **changes: object) -> Image.Image:
    return next(iter(draw(base, [PictureJob(prompt, 1)], settings(**changes))))


def test_pictures_come_in_the_jobs_order_and_are_the_same_in_any_company(base: Base) -> None:
    jobs = [
        PictureJob("a cat", 1),
        PictureJob(LONG, 1),
        PictureJob("a cat", 2),
        PictureJob("a dog", 3),
        PictureJob("a [cat:dog:1]", 1),
    ]
    together = list(draw(base, jobs, settings()))
    for job, picture in zip(jobs, together, strict=True):
        # One level of 255: sums of another batch may round otherwise.
        assert far(picture, next(iter(draw(base, [job], settings())))) <= 1
    assert len({picture.tobytes() for picture in together}) == 5


def test_a_batch_holds_prompts_of_one_length() -> None:
    short, long = (Conditioning(torch.zeros(1, tokens, 1)) for tokens in (77, 154))
    contexts = {"a": [short] * 2, "b": [short] * 2, "long": [short, long]}
    jobs = [
        PictureJob("a", 1),
        PictureJob("b", 1),
        PictureJob("a", 2),
        PictureJob("long", 1),
        PictureJob("a", 3),
    ]
    found = list(batches(jobs, contexts, 2))
    assert [[(job.prompt, job.seed) for job in batch] for batch in found] == [
        [("a", 1), ("b", 1)],
        [("a", 2)],
        [("long", 1)],
        [("a", 3)],
    ]


def test_a_long_prompts_end_counts(base: Base) -> None:
    assert drawn(base, LONG + "cat").tobytes() != drawn(base, LONG + "dog").tobytes()


def test_an_edited_prompt_starts_as_the_first_and_ends_as_the_second(base: Base) -> None:
    first, second, edited = (drawn(base, text) for text in ("cat", "dog", "[cat:dog:2]"))
    assert edited.tobytes() not in (first.tobytes(), second.tobytes())
    assert drawn(base, "[cat:dog:3]").tobytes() == first.tobytes()
    assert drawn(base, "[cat:dog:0]").tobytes() == second.tobytes()


def test_a_second_order_sampler_counts_steps_not_calls(base: Base) -> None:
    assert (
        drawn(base, "[cat:dog:3]", sampler="heun").tobytes() == drawn(base, "cat", sampler="heun").tobytes()
    )


@pytest.mark.parametrize("guidance", [1.0, 0.5])
def test_without_guidance_the_negative_prompt_does_not_matter(base: Base, guidance: float) -> None:
    one, two = (drawn(base, "cat", guidance=guidance, negative_prompt=text) for text in ("bad", "good"))
    assert (one.tobytes() == two.tobytes()) == (guidance == 1.0)


def test_every_prompt_is_encoded_once(base: Base) -> None:
    jobs = [PictureJob(prompt, seed) for seed in range(3) for prompt in ("cat", "dog")]
    with patch.object(text_to_image, "conditioning", wraps=conditioning) as encoder:
        assert len(list(draw(base, jobs, settings(negative_prompt="cat", steps=1)))) == 6
    assert [call.args[1] for call in encoder.call_args_list] == ["cat", "dog"]


def test_a_sampler_that_does_not_fit_the_base_is_an_error_before_anything_is_drawn() -> None:
    class Flowing(SD1):
        facts = replace(SD1.facts, objective="flow")

    base = random_base()
    base.family = Flowing()
    with pytest.raises(
        UserError, match=r"DDIM does not work with Stable Diffusion 1\.x, whose objective is flow"
    ):
        drawn(base, "a cat")
