"""Texts that strangers write take time in proportion to their length, and no NaN or infinity passes."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch

from pipeline.config.ranges import reals, texts, wholes
from pipeline.drawing.conditioning import emphasised
from pipeline.errors import UserError
from pipeline.prompts.infotext_reader import parameters_of, parse_infotext
from pipeline.prompts.network_tags import split_tags
from pipeline.prompts.weights import weighted_parts

LENGTH = 20_000
PIECES = [
    "(", "[", "[a|", " ", "(a", "(a:1.2", "a:1.1)", ":", ": ", "1", "\\", "<", "<a:", "<lora:", "()", "[a]",
    "BREAK ", " B", '"', 'ab: "', "a-", "1-", "Steps: ", ",", "1,", "\n", "\t", "|", "]", ")",
]  # fmt: skip
READERS: list[Callable[[str], Any]] = [
    weighted_parts,
    split_tags,
    parameters_of,
    parse_infotext,
    reals,
    wholes,
    texts,
]


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
@pytest.mark.parametrize("piece", PIECES)
def test_20000_characters_take_no_time(piece: str, read: Callable[[str], Any]) -> None:
    for text in ((piece * LENGTH)[:LENGTH], (piece * LENGTH)[:LENGTH] + "a", "(" + (piece * LENGTH)[:LENGTH]):
        start = time.perf_counter()
        try:
            read(text)
        except UserError as error:
            assert len(str(error)) < 500  # noqa: PT017
        assert time.perf_counter() - start < 2  # some 0.2 s; it took minutes where it grew with the square


def test_brackets_without_end_have_the_weight_of_automatic1111_up_to_a_depth() -> None:
    (part,) = weighted_parts("(" * 100 + "a")
    assert part.weight == pytest.approx(1.1**100)
    for bracket in "([":
        with pytest.raises(UserError, match="more than 100 brackets"):
            weighted_parts(bracket * LENGTH + "a")


@pytest.mark.parametrize(
    "text", [f"(a:{'9' * 400})", f"((a:{'9' * 200}):{'9' * 200})", f"((a:{'9' * 400}):0)"]
)
def test_weights_that_are_not_finite_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="multiply to"):
        weighted_parts(text)


@pytest.mark.parametrize("text", ["(a:nan)", "(a:inf)", "(a:1e5)"])
def test_what_is_no_number_is_text_as_in_automatic1111(text: str) -> None:
    (part,) = weighted_parts(text)
    assert (part.text, part.weight) == (text[1:-1], 1.1)


def test_no_state_that_is_not_finite_leaves_the_prompt() -> None:
    states = torch.ones(1, 77, 8)
    with pytest.raises(UserError, match="NaN or infinite"):
        emphasised(10 * states, torch.full((1, 77), 3e38))
    with pytest.raises(UserError, match="NaN or infinite"):
        emphasised(states, torch.zeros(1, 77))


@pytest.mark.parametrize("weight", ["nan", "inf", "-inf", "1e999", "te=nan", "1:unet=inf"])
def test_networks_are_called_at_finite_weights(weight: str) -> None:
    with pytest.raises(UserError, match="a weight must be a finite number"):
        split_tags(f"a <lora:zib:{weight}>")


LINE = {"Steps": "20", "Sampler": "Euler", "CFG scale": "7", "Seed": "1", "Size": "512x512"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("Steps", "-1"), ("Steps", "0"), ("Steps", "nan"), ("Steps", "1e9"), ("Steps", "99999999"),
        ("Steps", "9" * 5000), ("CFG scale", "nan"), ("CFG scale", "inf"), ("CFG scale", "1e400"),
        ("Seed", "-1"), ("Seed", str(1 << 64)), ("Size", "-512x512"), ("Size", "512x-512"), ("Size", "0x0"),
        ("Size", "512"), ("Size", "nanxnan"), ("Size", "99999999x64"), ("Clip skip", "-1"),
        ("Clip skip", "0"),
        ("Denoising strength", "nan"), ("Denoising strength", "-0.5"), ("Hires upscale", "inf"),
        ("Hires upscale", "-2"), ("Hires steps", "-3"), ("Sampler", "Euler\\"),
    ],
)  # fmt: skip
def test_an_infotexts_numbers_are_in_range(key: str, value: str) -> None:
    second = {"Denoising strength": "0.5", "Hires upscale": "2", "Hires steps": "5"}
    line = ", ".join(f"{name}: {text}" for name, text in (LINE | second | {key: value}).items())
    with pytest.raises(UserError, match="cannot be read") as error:
        parse_infotext(f"a cat\n{line}")
    assert len(str(error.value)) < 300


def test_a_second_pass_without_its_strength_is_a_sentence() -> None:
    line = ", ".join(f"{name}: {text}" for name, text in (LINE | {"Hires upscale": "2"}).items())
    with pytest.raises(UserError, match="lacks Denoising strength"):
        parse_infotext(f"a cat\n{line}")


@pytest.mark.parametrize("text", ["1e999999999", "-1e99", "9" * 2000, "1e20"])
def test_ranges_have_bounds(text: str) -> None:
    for read in (reals, wholes):
        with pytest.raises(UserError):
            read(text)
