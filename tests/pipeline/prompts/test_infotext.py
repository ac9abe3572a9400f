import io
import json
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from pipeline.errors import UserError
from pipeline.pictures.png import png_bytes
from pipeline.prompts.infotext import InfotextModel, infotext, png_texts
from pipeline.prompts.infotext_reader import parameters_of, parse_infotext
from pipeline.prompts.infotext_settings import LATENT_LABELS
from pipeline.prompts.settings import DrawingSettings, PictureJob, SecondPass
from pipeline.schemas.samplers import A1111_NAMES

PLAIN = DrawingSettings(
    steps=20, guidance=7.0, sampler="dpmpp_2m_karras", negative_prompt="", width=512, height=768,
    clip_skip=1, batch=1,
)  # fmt: skip
SECOND = SecondPass(upscaler="latent_nearest-exact", scale=1.5, steps=10, strength=0.55)


def test_a_plain_infotext_by_hand() -> None:
    assert infotext(PictureJob("a cat", 5), PLAIN, InfotextModel("tiny")) == (
        "a cat\n"
        "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 5, Size: 512x768,"
        " Model: tiny, RNG: CPU"
    )


def test_a_full_infotext_by_hand() -> None:
    full = replace(PLAIN, negative_prompt="bad, (ugly:1.2)", clip_skip=2, guidance=7.5, second_pass=SECOND)
    loras, words = {"zib": "a1b2c3", "art": "ffff"}, {"bad": "9999"}
    model = InfotextModel("any:thing, v3", "0123456789abcdef", network_hashes=loras, embedding_hashes=words)
    assert infotext(PictureJob("a cat,\n<lora:zib:0.8>", 5), full, model) == (
        "a cat,\n<lora:zib:0.8>\n"
        "Negative prompt: bad, (ugly:1.2)\n"
        "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 5, Size: 512x768,"
        " Model hash: 0123456789, Model: anything v3, Denoising strength: 0.55, Clip skip: 2, RNG: CPU,"
        " Hires upscale: 1.5,"
        ' Hires steps: 10, Hires upscaler: Latent (nearest-exact), Lora hashes: "art: ffff, zib: a1b2c3",'
        ' TI hashes: "bad: 9999"'
    )


def test_the_noise_schedule_of_the_base_is_written_as_a1111_reads_it() -> None:
    """A1111 takes `Noise Schedule` into its setting sd_noise_schedule (modules/shared_options.py)."""
    model = InfotextModel("noob", predicts_v=True, zero_terminal_snr=True)
    text = infotext(PictureJob("a cat", 5), PLAIN, model)
    assert text.endswith("RNG: CPU, Noise Schedule: Zero Terminal SNR, Prediction type: v_prediction")
    assert parse_infotext(text) == (PictureJob("a cat", 5), PLAIN)
    only_v = infotext(PictureJob("a cat", 5), PLAIN, replace(model, zero_terminal_snr=False))
    assert only_v.endswith("RNG: CPU, Prediction type: v_prediction")


def test_an_infotext_of_a1111s_own_documentation_is_read() -> None:
    text = """girl with an artist's beret, determined, ((eyeshadow)), (coquettish), detailed, intricate
Negative prompt: ugly, fat, obese, chubby, (((deformed))), [blurry], mutated, (extra_limb), messy drawing
Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 965400086, Size: 512x512, Model hash: 45dee52b"""
    job, settings = parse_infotext(text)
    assert job.seed == 965400086
    assert job.prompt.endswith("detailed, intricate")
    assert settings.negative_prompt.startswith("ugly, fat")
    assert (settings.sampler, settings.guidance, settings.clip_skip) == ("euler_a", 7.0, 1)
    assert settings.second_pass is None


def test_newer_versions_write_the_schedule_apart_and_leave_out_hires_steps() -> None:
    _, settings = parse_infotext(
        "x\nSteps: 8, Sampler: DPM++ SDE, Schedule type: Karras, CFG scale: 2, Seed: 1, Size: 64x64,"
        " Denoising strength: 0.5, Hires upscale: 2, Hires upscaler: 4x_Some-Net, Version: v1.10.1"
    )
    assert settings.sampler == "dpmpp_sde_karras"
    assert settings.second_pass == SecondPass(upscaler="4x_Some-Net", scale=2.0, steps=8, strength=0.5)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a cat", "lacks Steps, Sampler"),
        ("a\nSteps: 1, Sampler: Euler, CFG scale: 7, Seed: 1", "lacks Size"),
        ("a\nSteps: x, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 8x8", "cannot be read"),
        ("a\nSteps: 1, Sampler: Foo, CFG scale: 7, Seed: 1, Size: 8x8", "there is no such sampler"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        parse_infotext(text)


def read_by_a1111s_rules(text: str) -> tuple[str, str, dict[str, str]]:
    """Prompt, negative prompt and settings, as its written rules have them (AUTOMATIC1111/
    stable-diffusion-webui: modules/infotext_utils.py): the last line holds settings; from a line that begins
    with `Negative prompt:` on all is negative; a value in quotes is JSON, any other ends at a comma.
    """
    *lines, last = text.strip().split("\n")
    lines = [line.strip() for line in lines]
    start = next((n for n, line in enumerate(lines) if line.startswith("Negative prompt:")), len(lines))
    negative = "\n".join(lines[start:])[len("Negative prompt:") :].strip()
    found, rest = {}, last
    while rest.strip():
        key, _, rest = rest.partition(":")
        if rest.lstrip().startswith('"'):
            value, length = json.JSONDecoder().raw_decode(rest.lstrip())
            after = rest.lstrip()[length:]
            assert after.strip() == "" or after.startswith(",")
            rest = after[1:]
        else:
            value, _, rest = rest.partition(",")
        found[key.strip()] = value.strip()
    return "\n".join(lines[:start]), negative, found


LINE = (
    st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=30)
    .map(str.strip)
    .filter(lambda line: not line.startswith("Negative prompt:"))
)
PROMPT = st.lists(LINE, min_size=1, max_size=3).map(lambda lines: "\n".join(lines).strip())
SECOND_PASS = st.builds(
    SecondPass,
    upscaler=st.sampled_from([*LATENT_LABELS, "4x_Some, net: 1"]),
    scale=st.floats(1, 4),
    steps=st.integers(1, 100),
    strength=st.floats(0.01, 1),
)
SETTINGS = st.builds(
    DrawingSettings,
    steps=st.integers(1, 150),
    guidance=st.floats(0, 30),
    sampler=st.sampled_from(list(A1111_NAMES)),
    negative_prompt=PROMPT,
    width=st.integers(1, 32).map(lambda n: n * 64),
    height=st.integers(1, 32).map(lambda n: n * 64),
    clip_skip=st.integers(1, 12),
    batch=st.just(1),
    second_pass=st.none() | SECOND_PASS,
)
MODEL = InfotextModel(
    "any:thing, v3", "ab" * 32, "a, b.vae.pt", "cd" * 32, {"zib": "a1", "one: two, three": "b2"}, {"bad": "9"}
)


@given(PROMPT, st.integers(0, 2**32), SETTINGS)
def test_an_infotext_parses_back_to_the_same_settings(
    prompt: str, seed: int, settings: DrawingSettings
) -> None:
    text = infotext(PictureJob(prompt, seed), settings, MODEL)
    assert parse_infotext(text) == (PictureJob(prompt, seed), settings)


@given(PROMPT, st.integers(0, 2**32), SETTINGS)
@example('a, b: (c:1.2)\n\n"d"', 1, replace(PLAIN, negative_prompt="x,\ny: \\", second_pass=SECOND))
def test_a1111s_reader_shows_the_same_settings(prompt: str, seed: int, settings: DrawingSettings) -> None:
    positive, negative, found = read_by_a1111s_rules(infotext(PictureJob(prompt, seed), settings, MODEL))
    assert (positive, negative) == (prompt, settings.negative_prompt)
    assert (int(found["Steps"]), float(found["CFG scale"])) == (settings.steps, settings.guidance)
    schedule = found.get("Schedule type", "Uniform")
    together = found["Sampler"] if schedule == "Uniform" else f"{found['Sampler']} {schedule}"
    assert (together, int(found["Seed"])) == (A1111_NAMES[settings.sampler], seed)
    assert found["Size"] == f"{settings.width}x{settings.height}"
    assert int(found.get("Clip skip", 1)) == settings.clip_skip
    assert (found["Model"], found["Model hash"]) == ("anything v3", "ababababab")
    assert (found["VAE"], found["VAE hash"]) == ("a, b.vae.pt", "cdcdcdcdcd")
    listed = dict(each.split(": ") for each in found["Lora hashes"].split(", "))
    assert (listed, found["TI hashes"]) == ({"zib": "a1", "one two three": "b2"}, "bad: 9")
    second = settings.second_pass
    assert ("Hires upscale" in found) == (second is not None)
    if second:
        assert float(found["Denoising strength"]) == second.strength
        assert (float(found["Hires upscale"]), int(found["Hires steps"])) == (second.scale, second.steps)
        assert found["Hires upscaler"] == LATENT_LABELS.get(second.upscaler, second.upscaler)


def test_a_picture_carries_infotext_and_recipe() -> None:
    texts = png_texts(PictureJob("a cat", 5), PLAIN, InfotextModel("tiny"), networks={"zib": "ab"})
    picture = Image.open(io.BytesIO(png_bytes(Image.new("RGB", (2, 2)), texts)))
    assert parameters_of(picture.info["parameters"])["Prompt"] == "a cat"
    found = json.loads(picture.info["athanor"])
    assert found["settings"]["sampler"] == "dpmpp_2m_karras"
    assert (found["prompt"], found["seed"], found["networks"]) == ("a cat", 5, {"zib": "ab"})
    assert "batch" not in found["settings"]
