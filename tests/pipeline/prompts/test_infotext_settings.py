"""Numbers of an infotext: the key, the value and what is allowed are named; nothing is rounded or guessed."""

import pytest

from pipeline.errors import UserError
from pipeline.grid.axes import sides
from pipeline.prompts.infotext_reader import parse_infotext
from pipeline.prompts.settings import SecondPass

LINE = {
    "Steps": "20", "Sampler": "Euler", "CFG scale": "7", "Seed": "1", "Size": "512x768", "RNG": "CPU",
    "Denoising strength": "0.5", "Hires upscale": "2", "Hires steps": "5",
}  # fmt: skip


def text_of(**changes: str) -> str:
    values = LINE | {key.replace("_", " "): value for key, value in changes.items()}
    return "a cat\n" + ", ".join(f"{key}: {value}" for key, value in values.items())


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("Steps", "2_0", "from 1 to 10000"),
        ("Steps", "\u0662\u0660", "from 1 to 10000"),
        ("Steps", "9" * 5000, "from 1 to 10000"),
        ("Steps", "20.0", "from 1 to 10000"),
        ("Seed", "1.0", "from 0 to 18446744073709551615"),
        ("Seed", "1_0", "from 0 to"),
        ("CFG scale", "7_5", "from -1000 to 1000"),
        ("Clip skip", "2.0", "from 1 to 12"),
        ("Size", "512", "is not WIDTHxHEIGHT"),
        ("Size", "512x512x512", "is not WIDTHxHEIGHT"),
        ("Size", "1x1", "from 64 to 32768"),
        ("Size", "513x511", "multiples of 8"),
        ("Size", "512x511", "511 is not a multiple of 8"),
        ("Size", "5_12x512", "as 512x768"),
        ("Hires upscale", "0.01", "from 1 to 16"),
        ("Hires steps", "1_0", "from 0 to 10000"),
        ("Denoising strength", "0", "from 0.01 to 1"),
        ("Denoising strength", "0_5", "from 0.01 to 1"),
    ],
)
def test_a_number_that_is_none_is_named_with_what_is_allowed(key: str, value: str, allowed: str) -> None:
    with pytest.raises(UserError, match=f"{key} cannot be read: '{value[:30]}") as error:
        parse_infotext(text_of(**{key: value}))
    [problem] = error.value.problems
    assert allowed in problem
    assert "sys.set_int_max_str_digits" not in problem


def test_all_problems_come_at_once() -> None:
    with pytest.raises(UserError) as error:
        parse_infotext(text_of(Steps="0", Size="8x8", Sampler="Foo"))
    assert [problem.split()[2] for problem in error.value.problems] == ["Size", "Steps", "Sampler"]


def test_zero_hires_steps_are_those_of_the_first_pass() -> None:
    _, settings = parse_infotext(text_of(Hires_steps="0"))
    assert settings.second_pass == SecondPass(upscaler="latent", scale=2.0, steps=20, strength=0.5)


def test_a_setting_with_two_values_is_refused() -> None:
    with pytest.raises(UserError, match="has two values for Steps"):
        parse_infotext(text_of() + ", Steps: 30")
    assert parse_infotext(text_of() + ", Steps: 20")[1].steps == 20


@pytest.mark.parametrize("text", ["\u0665\u0661\u0662", "5_12", "9" * 5000, "512x", "8", "513"])
def test_sides_of_a_grids_axis_are_as_strict(text: str) -> None:
    with pytest.raises(UserError, match=r"sides must be multiples of 8|write `512`") as error:
        sides(text)
    assert len(str(error.value)) < 200
    assert sides("512, 64x72") == [(512, 512), (64, 72)]
