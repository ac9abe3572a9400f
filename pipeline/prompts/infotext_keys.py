"""Which settings of an infotext are used, which have no effect, and which would change the picture.

| keys | what happens |
|---|---|
| DRAWN | read into the picture's settings |
| NAMES | ignored: names, hashes and notes |
| OTHERS, families by the start of the name | refused, unless switched off |
| any other | named in a warning |

A1111 (AUTOMATIC1111) writes most of OTHERS only where they differ from its defaults.
"""

from collections.abc import Mapping

from pipeline.errors import UserError, warn

PROMPT_KEYS = ("Prompt", "Negative prompt")
DRAWN = (
    "Steps", "Sampler", "Schedule type", "CFG scale", "Seed", "Size", "Denoising strength", "Clip skip",
    "RNG", "Hires upscale", "Hires steps", "Hires upscaler", "Hires sampler", "Hires schedule type",
    "CFG Rescale", "Version",
)  # fmt: skip
NAME_KEYS = (
    "Model", "Model hash", "VAE", "VAE hash", "Lora hashes", "TI hashes", "TI", "Hypernet hash", "Hashes",
    "User", "Created Date", "Civitai resources", "Civitai metadata", "Batch size", "Batch pos", "App",
    "Time", "Template", "Negative Template", "Prediction type",
)  # fmt: skip
OTHER_KEYS = (
    # noise
    "ENSD", "Eta DDIM", "Eta", "Variation seed", "Seed resize from", "Noise multiplier",
    "Initial noise multiplier", "Extra noise", "Noise Schedule", "Zero SNR", "Downcast alphas_cumprod",
    "NGMS",
    # sampler and schedule
    "Sigma", "SGM noise multiplier", "Schedule rho", "Schedule min sigma", "Schedule max sigma",
    "Beta schedule", "Beta scheduler", "Sigma Adjustment", "Discard penultimate sigma",
    "Always discard next-to-last sigma", "Use old karras scheduler sigmas", "UniPC", "Refiner",
    # guidance
    "Rescale CFG", "Skip Early CFG", "Image CFG scale", "Distilled CFG Scale",
    "Dynamic thresholding", "Pad conds", "SAG", "PAG",
    # prompts
    "Emphasis", "Old prompt editing timelines", "Hypernet", "AddNet", "Regional Prompter", "RP",
    # the denoiser
    "ControlNet", "FreeU", "Token merging ratio", "Tiling", "Kohya Hires", "Tiled Diffusion", "AnimateDiff",
    # a picture to start from, and steps after drawing
    "First pass size", "Init image hash", "Mask", "Masked", "Inpaint", "Soft inpainting",
    "Conditional mask weight", "Color correction", "Face restoration", "ADetailer", "Postprocess",
    "Ultimate SD upscale", "Hires prompt", "Hires negative prompt", "Hires checkpoint", "Hires CFG Scale",
    "Hires resize", "Hires module", "Hires", "SD upscale", "VAE Encoder", "VAE Decoder",
)  # fmt: skip
SWITCHES = ("", " enabled", " active", " enable", " strength")
"""Endings of the keys that turn a family off: `AddNet Enabled`, `Variation seed strength`."""
ZERO_SNR_VALUE = "zero terminal snr"
OFF = ("0", "0.0", "false", "none", "off", "")
USUAL = {
    "eta": ("1", "1.0"),
    "noise multiplier": ("1", "1.0"),
    "initial noise multiplier": ("1", "1.0"),
    "noise schedule": ("default", ZERO_SNR_VALUE),
    "emphasis": ("original",),
    "hires module": ("use same choices",),
    "hires checkpoint": ("use same checkpoint",),
    "vae encoder": ("full",),
    "vae decoder": ("full",),
}
"""Families that OFF does not turn off, and their values without effect on the picture."""
OUR_NOISE = "cpu"
MOST_KEYS = 1000
MOST_KEYS_SHOWN = 8


def insist_on_drawable(values: Mapping[str, str]) -> None:
    """Raises UserError for settings that certainly change the picture; warns of those that may."""
    if len(values) > MOST_KEYS:
        raise UserError(
            f"the infotext has {len(values)} settings, more than any tool writes; give one picture's infotext"
        )
    families = {key: _family(key) for key in values if key not in (*PROMPT_KEYS, *DRAWN, *NAME_KEYS)}
    if problems := [*_refused(families, values), *_of_two_passes(values)]:
        raise UserError(*problems)
    unknown = [key for key, family in families.items() if family is None]
    for sentence in [*_unknown(unknown, values), *_of_noise(values), *_of_base(values), *_of_files(values)]:
        warn(sentence)


def _family(key: str) -> str | None:
    """The name in OTHERS that the key begins with, in whole words; lower case."""
    words = f"{key.lower()} "
    return next((name.lower() for name in OTHER_KEYS if words.startswith(f"{name.lower()} ")), None)


def _refused(families: Mapping[str, str | None], values: Mapping[str, str]) -> list[str]:
    low = {key.lower(): value.strip().lower() for key, value in values.items()}
    refused = [key for key, family in families.items() if family and not _is_off(key.lower(), family, low)]
    if low.get("rng", OUR_NOISE) not in (OUR_NOISE, ""):
        refused.append("RNG")
    if not refused:
        return []
    return [
        f"the infotext says {_shown(refused, values)}, which is not supported here, so the picture would"
        " differ; remove it from the text to draw without it"
    ]


def _is_off(key: str, family: str, low: Mapping[str, str]) -> bool:
    """Whether the family's switch is off, or the value is the usual one; all in lower case."""
    if family in USUAL:
        return low[key] in ("", *USUAL[family])
    if family == "hires cfg scale":
        return low[key] in ("", low.get("cfg scale"))
    return any(low[family + switch] in OFF for switch in SWITCHES if family + switch in low)


def _of_two_passes(values: Mapping[str, str]) -> list[str]:
    """Settings of a second pass in an infotext without one."""
    if "Hires upscale" in values:
        return []
    alone = [key for key in DRAWN if key.startswith("Hires") and key in values]
    problems = [f"the infotext says {_shown(alone, values)}, but no Hires upscale; add it"] if alone else []
    if "Denoising strength" in values:
        problems.append(
            f"the infotext says {_shown(['Denoising strength'], values)}, but no Hires upscale: the picture"
            " was drawn over another one, which is not supported here; remove it from the text to draw from"
            " noise"
        )
    return problems


def _unknown(keys: list[str], values: Mapping[str, str]) -> list[str]:
    if not keys:
        return []
    return [f"the infotext has settings that are unknown and ignored: {_shown(keys, values)}"]


def _of_noise(values: Mapping[str, str]) -> list[str]:
    if values.get("RNG"):
        return []
    return [
        "the infotext names no RNG, so A1111 drew its noise on the GPU; here the CPU draws it, and the"
        " picture may differ. To compare, choose CPU as A1111's random number generator source"
    ]


def _of_base(values: Mapping[str, str]) -> list[str]:
    """The base's noise schedule, which no setting here replaces."""
    if values.get("Noise Schedule", "").strip().lower() != ZERO_SNR_VALUE:
        return []
    return [
        "the infotext says Noise Schedule: Zero Terminal SNR: with a base that does not state zero terminal"
        " SNR the picture differs (`python -m pipeline.bases inspect` shows what it states)"
    ]


def _of_files(values: Mapping[str, str]) -> list[str]:
    """Files the picture was drawn with, whose absence no call in the prompt would report."""
    networks = [name for name in _listed(values, "Lora hashes") if name not in values["Prompt"]]
    doubts = []
    if networks:
        doubts.append(f"the infotext lists networks that its prompt does not call: {_few(networks)}")
    if words := _listed(values, "TI hashes") or _listed(values, "TI"):
        doubts.append(
            f"the infotext lists embeddings: {_few(words)}; without their files they are plain words, and the"
            " picture differs"
        )
    return doubts


def _listed(values: Mapping[str, str], key: str) -> list[str]:
    """The names of `a: 1234, b: 5678`."""
    names = [each.partition(":")[0].strip() for each in values.get(key, "").split(",")]
    return [name for name in names if name]


def _shown(keys: list[str], values: Mapping[str, str]) -> str:
    return _few([f"{key}: {values[key]}" for key in keys])


def _few(texts: list[str]) -> str:
    more = f" and {len(texts) - MOST_KEYS_SHOWN} more" if len(texts) > MOST_KEYS_SHOWN else ""
    return ", ".join(text[:60] for text in texts[:MOST_KEYS_SHOWN]) + more
