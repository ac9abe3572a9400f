"""Which settings of an infotext are drawn, which change nothing, and which would make another picture.

| keys | are |
|---|---|
| DRAWN | read into the picture's settings |
| NAMES | names, hashes and notes |
| OTHERS, families by the start of the name | refused, unless switched off |
| any other | named in a warning |

A1111 (AUTOMATIC1111) writes most of OTHERS only where they differ from its defaults.
"""

from collections.abc import Mapping

from pipeline.errors import UserError, warn

PROMPTS = ("Prompt", "Negative prompt")
DRAWN = (
    "Steps", "Sampler", "Schedule type", "CFG scale", "Seed", "Size", "Denoising strength", "Clip skip",
    "RNG", "Hires upscale", "Hires steps", "Hires upscaler", "Hires sampler", "Hires schedule type",
    "Version",
)  # fmt: skip
NAMES = (
    "Model", "Model hash", "VAE", "VAE hash", "Lora hashes", "TI hashes", "TI", "Hypernet hash", "Hashes",
    "User", "Created Date", "Civitai resources", "Civitai metadata", "Batch size", "Batch pos", "App",
    "Time", "Template", "Negative Template",
)  # fmt: skip
OTHERS = (
    # noise
    "ENSD", "Eta DDIM", "Eta", "Variation seed", "Seed resize from", "Noise multiplier",
    "Initial noise multiplier", "Extra noise", "Noise Schedule", "Zero SNR", "Downcast alphas_cumprod",
    "NGMS",
    # sampler and schedule
    "Sigma", "SGM noise multiplier", "Schedule rho", "Schedule min sigma", "Schedule max sigma",
    "Beta schedule", "Beta scheduler", "Sigma Adjustment", "Discard penultimate sigma",
    "Always discard next-to-last sigma", "Use old karras scheduler sigmas", "UniPC", "Refiner",
    # guidance
    "Rescale CFG", "CFG Rescale", "Skip Early CFG", "Image CFG scale", "Distilled CFG Scale",
    "Dynamic thresholding", "Pad conds", "SAG", "PAG",
    # prompts
    "Emphasis", "Old prompt editing timelines", "Hypernet", "AddNet", "Regional Prompter", "RP",
    # the denoiser
    "ControlNet", "FreeU", "Token merging ratio", "Tiling", "Kohya Hires", "Tiled Diffusion", "AnimateDiff",
    # a picture to begin with, and what comes after drawing
    "First pass size", "Init image hash", "Mask", "Masked", "Inpaint", "Soft inpainting",
    "Conditional mask weight", "Color correction", "Face restoration", "ADetailer", "Postprocess",
    "Ultimate SD upscale", "Hires prompt", "Hires negative prompt", "Hires checkpoint", "Hires CFG Scale",
    "Hires resize", "Hires module", "Hires", "SD upscale", "VAE Encoder", "VAE Decoder",
)  # fmt: skip
SWITCHES = ("", " enabled", " active", " enable", " strength")
"""What a family's key that turns it off ends with: `AddNet Enabled`, `Variation seed strength`."""
OFF = ("0", "0.0", "false", "none", "off", "")
USUAL = {
    "eta": ("1", "1.0"),
    "noise multiplier": ("1", "1.0"),
    "initial noise multiplier": ("1", "1.0"),
    "noise schedule": ("default",),
    "emphasis": ("original",),
    "hires module": ("use same choices",),
    "hires checkpoint": ("use same checkpoint",),
    "vae encoder": ("full",),
    "vae decoder": ("full",),
}
"""Families that OFF does not turn off, and the values that leave the picture as it is."""
OUR_NOISE = "cpu"
MOST_KEYS = 1000
MOST_SHOWN = 8


def insist_on_drawable(values: Mapping[str, str]) -> None:
    """What would certainly make another picture is a user error; the rest is named in warnings."""
    if len(values) > MOST_KEYS:
        raise UserError(f"the infotext has {len(values)} settings, more than any tool writes")
    families = {key: _family(key) for key in values if key not in (*PROMPTS, *DRAWN, *NAMES)}
    if problems := [*_refused(families, values), *_of_two_passes(values)]:
        raise UserError(*problems)
    unknown = [key for key, family in families.items() if family is None]
    for sentence in [*_unknown(unknown, values), *_of_noise(values), *_of_files(values)]:
        warn(sentence)


def _family(key: str) -> str | None:
    """The one of OTHERS that the key begins with, word by word; in small letters."""
    words = f"{key.lower()} "
    return next((name.lower() for name in OTHERS if words.startswith(f"{name.lower()} ")), None)


def _refused(families: Mapping[str, str | None], values: Mapping[str, str]) -> list[str]:
    low = {key.lower(): value.strip().lower() for key, value in values.items()}
    found = [key for key, family in families.items() if family and not _is_off(key.lower(), family, low)]
    if low.get("rng", OUR_NOISE) not in (OUR_NOISE, ""):
        found.append("RNG")
    if not found:
        return []
    return [
        f"the infotext says {_shown(found, values)}, which is not done here; the picture would be another"
        " one. Take it out of the text to draw without"
    ]


def _is_off(key: str, family: str, low: Mapping[str, str]) -> bool:
    """Whether the family's switch is off, or the value is the usual one; all in small letters."""
    if family in USUAL:
        return low[key] in ("", *USUAL[family])
    if family == "hires cfg scale":
        return low[key] in ("", low.get("cfg scale"))
    return any(low[family + switch] in OFF for switch in SWITCHES if family + switch in low)


def _of_two_passes(values: Mapping[str, str]) -> list[str]:
    """What belongs to a second pass, without one."""
    if "Hires upscale" in values:
        return []
    alone = [key for key in DRAWN if key.startswith("Hires") and key in values]
    found = [f"the infotext says {_shown(alone, values)}, but no Hires upscale; add it"] if alone else []
    if "Denoising strength" in values:
        found.append(
            f"the infotext says {_shown(['Denoising strength'], values)}, but no Hires upscale: it is of a"
            " picture that was drawn over another one, which is not done here. Take it out of the text to"
            " draw from noise"
        )
    return found


def _unknown(keys: list[str], values: Mapping[str, str]) -> list[str]:
    if not keys:
        return []
    return [f"settings of the infotext that this draws without, as unknown here: {_shown(keys, values)}"]


def _of_noise(values: Mapping[str, str]) -> list[str]:
    if values.get("RNG"):
        return []
    return [
        "the infotext names no RNG: A1111 then draws its noise on the GPU; here it is drawn on the CPU, and"
        " the picture may be another one. To compare, choose CPU as A1111's random number generator source"
    ]


def _of_files(values: Mapping[str, str]) -> list[str]:
    """Files that the picture was drawn with, and that no call in the prompt would miss."""
    networks = [name for name in _listed(values, "Lora hashes") if name not in values["Prompt"]]
    found = []
    if networks:
        found.append(f"the infotext lists networks that its prompt does not call: {_few(networks)}")
    if words := _listed(values, "TI hashes") or _listed(values, "TI"):
        found.append(
            f"the infotext lists embeddings: {_few(words)}; where their files are absent they are plain"
            " words, and the picture is another one"
        )
    return found


def _listed(values: Mapping[str, str], key: str) -> list[str]:
    """The names of `a: 1234, b: 5678`."""
    names = [each.partition(":")[0].strip() for each in values.get(key, "").split(",")]
    return [name for name in names if name]


def _shown(keys: list[str], values: Mapping[str, str]) -> str:
    return _few([f"{key}: {values[key]}" for key in keys])


def _few(texts: list[str]) -> str:
    more = f" and {len(texts) - MOST_SHOWN} more" if len(texts) > MOST_SHOWN else ""
    return ", ".join(text[:60] for text in texts[:MOST_SHOWN]) + more
