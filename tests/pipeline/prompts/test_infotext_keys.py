"""A setting of an infotext is drawn, changes nothing, is refused, or is named in a warning: none is passed
over in silence. Keys as AUTOMATIC1111, its forks and extensions write them.
"""

import pytest

from pipeline.errors import UserError
from pipeline.prompts.infotext_reader import parse_infotext

HEAD = "a cat\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 512x512"
SECOND = "Denoising strength: 0.5, Hires upscale: 2, Hires steps: 5"


def told(more: str, capsys: pytest.CaptureFixture[str], head: str = f"{HEAD}, RNG: CPU") -> str:
    parse_infotext(f"{head}, {more}" if more else head)
    return capsys.readouterr().err


@pytest.mark.parametrize(
    "setting",
    [
        "ENSD: 31337", "Hypernet: ink", 'ControlNet 0: "Module: canny, Weight: 1"',
        "ControlNet Enabled: True", "FreeU Stages: x", "FreeU Schedule: 0", "First pass size: 0x0",
        "Noise multiplier: 0.9", "Initial noise multiplier: 0", "Extra noise: 0.1", "Zero SNR: True",
        "Rescale CFG: 0.7", "Noise Schedule: Wobbly",
        "Dynamic thresholding enabled: True",
        "AddNet Enabled: True", "Always discard next-to-last sigma: True", "Discard penultimate sigma: True",
        "Use old karras scheduler sigmas: True", "RNG: NV", "RNG: GPU", "Eta DDIM: 0.5", "Eta: 0", "Eta: 0.5",
        "UniPC order: 2", "UniPC variant: bh2", "UniPC skip type: logSNR", "Token merging ratio: 0.5",
        "NGMS: 3", "NGMS all steps: True", "Refiner: xl [ab]", "Refiner switch at: 0.8", "Pad conds: True",
        "Variation seed: 7", "Variation seed strength: 0.2", "Seed resize from: 64x64", "Schedule rho: 5",
        "Schedule max sigma: 10", "Schedule min sigma: 0.1", "Sigma churn: 1", "SGM noise multiplier: True",
        "Skip Early CFG: 0.2", "Emphasis: None", "Old prompt editing timelines: True", "Tiling: True",
        "Face restoration: CodeFormer", "Mask blur: 4", "Inpaint area: Only masked", "Init image hash: ab",
        "ADetailer model: face.pt", "schedule rho: 5", "Beta schedule alpha: 0.6", "VAE Decoder: TAESD",
    ],
)  # fmt: skip
def test_what_changes_the_picture_is_refused_by_name(setting: str) -> None:
    with pytest.raises(UserError, match="the picture would differ") as error:
        parse_infotext(f"{HEAD}, {setting}")
    assert setting.partition(":")[0] in str(error.value)


@pytest.mark.parametrize(
    "setting", ["Hires CFG Scale: 3", "Hires prompt: x", "Hires resize: 768x768", "Hires refiner: x"]
)
def test_another_second_pass_is_refused_by_name(setting: str) -> None:
    with pytest.raises(UserError, match=setting):
        parse_infotext(f"{HEAD}, {SECOND}, {setting}")


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ("Denoising strength: 0.75", "drawn over another one"),
        ("Denoising strength: 0.75, Mask blur: 4", "Mask blur: 4, which is not supported here"),
        ("Hires upscaler: Latent", "Hires upscaler: Latent, but no Hires upscale"),
        ("Hires steps: 3", "Hires steps: 3, but no Hires upscale"),
    ],
)
def test_a_second_pass_is_whole_or_absent(more: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        parse_infotext(f"{HEAD}, {more}")


def test_a_sampler_of_the_second_pass_counts_for_ddim_too() -> None:
    with pytest.raises(UserError, match="second pass has the sampler 'Euler'"):
        parse_infotext(
            f"{HEAD}, {SECOND}, Hires sampler: Euler".replace("Sampler: Euler", "Sampler: DDIM", 1)
        )


@pytest.mark.parametrize(
    "setting",
    [
        "", "Model hash: ab, Model: x, VAE hash: cd, VAE: y, Version: v1.10.1, User: me", "ENSD: 0", "Eta: 1",
        "Noise Schedule: Default, Prediction type: v_prediction",
        "Variation seed: 7, Variation seed strength: 0", "Noise multiplier: 1.0", "Emphasis: Original",
        "Dynamic thresholding enabled: False, Dynamic thresholding mimic scale: 7", "Tiling: False",
        "AddNet Enabled: False, AddNet Module 1: LoRA", "Token merging ratio: 0", "Face restoration: None",
        "VAE Decoder: Full", f"{SECOND}, Hires CFG Scale: 7, Hires Module 1: Use same choices",
    ],
)  # fmt: skip
def test_what_leaves_the_picture_as_it_is_is_read_without_a_word(
    setting: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(setting, capsys) == ""


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (
            "FP8 weight: Enable, Wobble: 3",
            "has settings that are unknown and ignored: FP8 weight: Enable, Wobble: 3",
        ),
        ("(Odd) key (x): 3", "holds '(Odd) key (x): 3', which is not a setting"),
        ("Noise Schedule: Zero Terminal SNR", "does not state zero terminal SNR the picture differs"),
        ('TI hashes: "bad: 12"', "embeddings: bad; without their files they are plain words"),
        ('Lora hashes: "zib: 12, cat: 3"', "lists networks that its prompt does not call: zib"),
    ],
)
def test_the_rest_is_named_in_a_warning(more: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert sentence in told(more, capsys)


def test_without_rng_a1111_drew_on_the_gpu_which_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Its reader takes a missing RNG for GPU; here all noise is the CPU's."""
    assert "names no RNG, so A1111 drew its noise on the GPU" in told("", capsys, HEAD)


def test_a_line_of_thousands_of_settings_is_refused() -> None:
    with pytest.raises(UserError, match="settings, more than any tool writes"):
        parse_infotext(HEAD + "".join(f", k{number}: 1" for number in range(2000)))
