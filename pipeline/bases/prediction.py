"""Whether a base's denoiser predicts the noise (epsilon) or v, and what says so. No torch.

Nothing in a file of Stable Diffusion 2 tells the two apart for certain, and a wrong guess trains towards
grey: the one statistic by which other tools guess is shown, and never taken for granted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.files.safetensors_header import Entry, Header

PredictionType = Literal["epsilon", "v_prediction"]
EPSILON: PredictionType = "epsilon"
V: PredictionType = "v_prediction"
V_MARKER, ZERO_SNR_MARKER = "v_pred", "ztsnr"
"""Names of empty tensors by which SDXL checkpoints say so (ComfyUI supported_models.py; A1111 and Forge)."""
MODELSPEC_KEY = "modelspec.prediction_type"
MODELSPEC: Mapping[str, PredictionType] = {"epsilon": EPSILON, "v": V}
WITNESS = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"
"""Its deviation is above 0.09 in v-prediction bases of SD 2 (ComfyUI supported_models.py: SD20)."""
V_DEVIATION = 0.09
MOST_NUMBERS = 1 << 16
TYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}


@dataclass(frozen=True)
class Prediction:
    """type: None where nothing says it. evidence: what says it, or what may help to say it."""

    type: PredictionType | None
    evidence: str
    zero_terminal_snr: bool = False


def of_scheduler(config: Mapping[str, Any], origin: str) -> Prediction:
    """By a scheduler's configuration."""
    found = config.get("prediction_type", EPSILON)
    zero = bool(config.get("rescale_betas_zero_snr"))
    return Prediction(found if found in (EPSILON, V) else None, f"prediction_type in {origin}", zero)


def of_header(path: Path, header: Header, usual: PredictionType | None) -> Prediction:
    """By a single file's markers and header; `usual`: of its family where a file says nothing."""
    zero = ZERO_SNR_MARKER in header.tensors
    if V_MARKER in header.tensors:
        return Prediction(V, f"its tensor {V_MARKER}", zero)
    if found := MODELSPEC.get(header.metadata.get(MODELSPEC_KEY, "")):
        return Prediction(found, f"{MODELSPEC_KEY} in its header", zero)
    if usual:
        return Prediction(usual, "no sign of another: what the family has", zero)
    return Prediction(None, _statistic(path, header.tensors.get(WITNESS)))


def _statistic(path: Path, entry: Entry | None) -> str:
    """What the statistic says, as a hint in a sentence."""
    if entry is None or len(entry.shape) != 1 or entry.shape[0] > MOST_NUMBERS:
        return "nothing in it says so"
    values = numbers_at(path, entry, 0, entry.shape[0])
    if values is None or not np.isfinite(deviation := float(values.std())):
        return "nothing in it says so"
    likely = V if deviation > V_DEVIATION else EPSILON
    return (
        f"nothing in it says so; the deviation of one of its norms is {deviation:.3f}, above {V_DEVIATION} in"
        f" the known bases of v_prediction, which speaks for {likely}"
    )


def numbers_at(path: Path, entry: Entry, start: int, count: int) -> NDArray[np.float64] | None:
    """`count` of a tensor's numbers, from number `start` on; None of a type that is not read here."""
    if (kind := TYPES.get(entry.dtype)) is None:
        return None
    width = np.dtype(kind).itemsize
    with path.open("rb") as file:
        file.seek(entry.offset + start * width)
        read = np.frombuffer(file.read(count * width), kind)
    if entry.dtype == "BF16":  # the upper half of a float32
        read = (read.astype("<u4") << 16).view("<f4")
    return np.asarray(read, np.float64)


def scheduler_of(config: Mapping[str, Any], kind: PredictionType, zero_terminal_snr: bool) -> dict[str, Any]:
    """The scheduler's configuration where a base predicts so; what it says already stays.

    With zero terminal SNR the last timestep is pure noise, which only trailing steps see (Lin et al. 2023,
    arXiv 2305.08891, section 3.3).
    """
    changed = dict(config)
    if config.get("prediction_type", EPSILON) != kind:
        changed["prediction_type"] = kind
    if zero_terminal_snr and not config.get("rescale_betas_zero_snr"):
        changed |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    return changed
