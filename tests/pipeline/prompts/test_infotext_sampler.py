"""Expectations are what AUTOMATIC1111 1.10's own samplers take for these words."""

import pytest

from pipeline.errors import UserError
from pipeline.prompts.infotext import sampler_pairs
from pipeline.prompts.infotext_sampler import sampler_of
from pipeline.schemas.samplers import A1111_NAMES


@pytest.mark.parametrize(
    ("name", "sampler", "schedule"),
    [
        ("dpmpp_2m", "DPM++ 2M", "Uniform"),
        ("dpmpp_2m_karras", "DPM++ 2M", "Karras"),
        ("dpmpp_2m_sde_exponential", "DPM++ 2M SDE", "Exponential"),
        ("dpmpp_sde_sgm_uniform", "DPM++ SDE", "SGM Uniform"),
        ("euler_a", "Euler a", "Uniform"),
    ],
)
def test_the_schedule_type_is_written(name: str, sampler: str, schedule: str) -> None:
    """A1111 from 1.9 on would draw DPM++ 2M without it as Karras."""
    assert sampler_pairs(name) == {"Sampler": sampler, "Schedule type": schedule}


def test_samplers_without_schedules_name_none() -> None:
    assert sampler_pairs("ddim") == {"Sampler": "DDIM"}
    assert sampler_pairs("unipc") == {"Sampler": "UniPC"}


def test_every_sampler_is_read_back() -> None:
    assert [sampler_of(sampler_pairs(name)) for name in A1111_NAMES] == list(A1111_NAMES)


@pytest.mark.parametrize(
    ("sampler", "more", "name"),
    [
        ("DPM++ 2M", {"Schedule type": "Exponential"}, "dpmpp_2m_exponential"),
        ("DPM++ 2M", {"Schedule type": "SGM Uniform"}, "dpmpp_2m_sgm_uniform"),
        ("DPM++ 2M", {"Schedule type": "karras"}, "dpmpp_2m_karras"),
        ("DPM++ 2M", {"Schedule type": "Polyexponential"}, "dpmpp_2m_exponential"),
        ("DPM++ 2M", {"Schedule type": "Normal"}, "dpmpp_2m"),
        ("DPM++ 2M SDE Exponential", {}, "dpmpp_2m_sde_exponential"),
        ("DPM++ 2M SGMUniform", {}, "dpmpp_2m_sgm_uniform"),
        ("Euler Karras", {}, "euler_karras"),
        ("DPM++ 2M", {}, "dpmpp_2m"),
        ("DPM++ 2M", {"Version": "v1.8.0"}, "dpmpp_2m"),
        ("DPM++ 2M", {"Version": "v1.9.4"}, "dpmpp_2m_karras"),
        ("DPM++ 2M SDE", {"Version": "f2.0.1v1.10.1-previous-1"}, "dpmpp_2m_sde_exponential"),
        ("DPM++ 2M SDE", {"Schedule type": "Automatic"}, "dpmpp_2m_sde_exponential"),
        ("DPM++ SDE", {"Schedule type": "Automatic"}, "dpmpp_sde_karras"),
        ("Euler a", {"Schedule type": "Automatic", "Version": "v1.10.1"}, "euler_a"),
        ("DDIM", {"Schedule type": "Karras"}, "ddim"),
        ("Heun", {"Hires sampler": "Heun", "Hires schedule type": "Uniform"}, "heun"),
    ],
)
def test_the_schedule_type_is_read(sampler: str, more: dict[str, str], name: str) -> None:
    assert sampler_of({"Sampler": sampler, **more}) == name


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"Schedule type": "Beta"}, "schedule type is 'Beta', which is not supported here"),
        ({"Schedule type": "Align Your Steps"}, "valid: Exponential, Karras, SGM Uniform, Uniform"),
        ({"Hires sampler": "Euler"}, "second pass has the sampler 'Euler'"),
        ({"Hires schedule type": "Exponential"}, "the schedule 'Exponential'"),
    ],
)
def test_what_would_change_the_picture_and_is_not_drawn_is_refused(more: dict[str, str], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        sampler_of({"Sampler": "DPM++ 2M", **more})


@pytest.mark.parametrize("text", ["DPM++ 2M Karras Exponential", "UniPC Karras", "DPM++ 2M Beta"])
def test_a_sampler_of_another_name_is_no_sampler(text: str) -> None:
    with pytest.raises(ValueError, match=r"no such sampler|takes no noise schedule"):
        sampler_of({"Sampler": text})
