"""Whether a base's denoiser predicts the noise (epsilon) or v, and what states it. Without torch.

Nothing in a file of Stable Diffusion 2 identifies the two for certain, and a wrong guess trains towards grey.
The one statistic that other tools guess by is only shown, never relied on.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.files.safetensors_header import Header, TensorEntry, metadata_of

PredictionType = Literal["epsilon", "v_prediction"]
EPSILON: PredictionType = "epsilon"
V: PredictionType = "v_prediction"
V_MARKER, ZERO_SNR_MARKER = "v_pred", "ztsnr"
"""Names of empty tensors that mark SDXL checkpoints (ComfyUI supported_models.py; A1111 and Forge)."""
MODELSPEC_KEY = "modelspec.prediction_type"
ZERO_SNR_KEY = "ss_zero_terminal_snr"
"""In the header of a network file: sd-scripts' name."""
MODELSPEC: Mapping[str, PredictionType] = {"epsilon": EPSILON, "v": V}
FLOW, FLOW_CLASS = "flow", "FlowMatch"
"""The objective, and the beginning of its schedulers' classes in diffusers."""
OTHER_LEVELS = {"EDM": "EDM's noise levels (as Playground v2.5)", FLOW_CLASS: "a flow's noise levels"}
"""By the beginning of a scheduler's class in diffusers."""
USUAL_PREDICTION = "the family's usual prediction"
"""Evidence of a file that does not say."""
WITNESS = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"
"""Its std is above 0.09 in v-prediction bases of SD 2 (ComfyUI supported_models.py: SD20)."""
V_STD = 0.09
MOST_NUMBERS = 1 << 16
NUMPY_DTYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}


@dataclass(frozen=True)
class Prediction:
    """type: None if nothing states it. evidence: what states it, or may help to decide. against: what states
    the other one, or nothing.
    """

    type: PredictionType | None
    evidence: str
    zero_terminal_snr: bool = False
    against: str = ""


def learned_zero_snr(metadata: Mapping[str, str]) -> bool:
    """Whether the header of a network says that it was trained with zero terminal SNR."""
    return metadata.get(ZERO_SNR_KEY) == str(True)


def trained_to_zero_snr(network: Path | None) -> bool:
    """The same of a network's file; only .safetensors have a header."""
    if network is None or network.suffix != ".safetensors":
        return False
    return learned_zero_snr(metadata_of(network))


def of_scheduler(config: Mapping[str, Any], origin: str) -> Prediction:
    """From a scheduler's configuration."""
    kind = config.get("prediction_type", EPSILON)
    zero = bool(config.get("rescale_betas_zero_snr"))
    return Prediction(kind if kind in (EPSILON, V) else None, f"prediction_type in {origin}", zero)


def noise_levels_of(config: Mapping[str, Any], objective: str) -> str | None:
    """The kind of noise levels of a scheduler, if bases with this objective have others."""
    name = str(config.get("_class_name", ""))
    if objective == FLOW:
        return None if name.startswith(FLOW_CLASS) else f"{name or 'no'} noise levels"
    return next((title for start, title in OTHER_LEVELS.items() if name.startswith(start)), None)


def of_header(
    path: Path, header: Header, usual: PredictionType | None, stated: Prediction | None = None
) -> Prediction:
    """From a single file's markers and header. `stated`: what its own configurations say; `usual`: the
    family's prediction if a file does not say.

    A marker comes first: people add it to files whose headers lack the right word.
    """
    zero = ZERO_SNR_MARKER in header.tensors
    signs = [Prediction(V, f"its tensor {V_MARKER}")] if V_MARKER in header.tensors else []
    signs += [stated] if stated and stated.type else []
    if kind := MODELSPEC.get(header.metadata.get(MODELSPEC_KEY, "")):
        signs.append(Prediction(kind, f"{MODELSPEC_KEY} in its header"))
    if zero and not signs:
        evidence = f"its tensor {ZERO_SNR_MARKER} suggests {V}, and nothing else in the file says so"
        return Prediction(None, evidence, zero)
    if not signs and usual:
        signs.append(Prediction(usual, USUAL_PREDICTION))
    if not signs:
        return Prediction(None, _statistic(path, header.tensors.get(WITNESS)))
    first = signs[0]
    others = [*signs, *([Prediction(V, f"its tensor {ZERO_SNR_MARKER}")] if zero else [])]
    against = next((sign.evidence for sign in others if sign.type != first.type), "")
    zero = zero or any(sign.zero_terminal_snr for sign in signs)
    return Prediction(first.type, first.evidence, zero, against)


def _statistic(path: Path, entry: TensorEntry | None) -> str:
    """What the statistic suggests, as a hint in a sentence."""
    if entry is None or len(entry.shape) != 1 or entry.shape[0] > MOST_NUMBERS:
        return "the file does not say"
    values = numbers_at(path, entry, 0, entry.shape[0])
    if values is None or not np.isfinite(std := float(values.std())):
        return "the file does not say"
    likely = V if std > V_STD else EPSILON
    return (
        f"the file does not say; the std of one of its norms is {std:.3f} (in known v_prediction bases it is"
        f" above {V_STD}), which suggests {likely}"
    )


def numbers_at(path: Path, entry: TensorEntry, start: int, count: int) -> NDArray[np.float64] | None:
    """`count` of a tensor's numbers, from number `start` on; None of a type that is not read here."""
    if (kind := NUMPY_DTYPES.get(entry.dtype)) is None:
        return None
    width = np.dtype(kind).itemsize
    with path.open("rb") as file:
        file.seek(entry.offset + start * width)
        read = np.frombuffer(file.read(count * width), kind)
    if entry.dtype == "BF16":  # the upper half of a float32
        read = (read.astype("<u4") << 16).view("<f4")
    return np.asarray(read, np.float64)


def markers_of(scheduler: Mapping[str, Any], there: Collection[str]) -> tuple[list[str], set[str]]:
    """Markers that a file with these tensors lacks for a base with this scheduler, and those that it must not
    have.
    """
    is_v = scheduler.get("prediction_type", EPSILON) == V
    needed = {V_MARKER: is_v, ZERO_SNR_MARKER: bool(is_v and scheduler.get("rescale_betas_zero_snr"))}
    missing = [name for name, need in needed.items() if need and name not in there]
    return missing, {name for name, need in needed.items() if not need}


def scheduler_of(config: Mapping[str, Any], kind: PredictionType, zero_terminal_snr: bool) -> dict[str, Any]:
    """The scheduler's configuration of a base with this prediction; entries that already fit stay.

    Only a base that predicts v can be drawn from pure noise, so epsilon has no zero terminal SNR. With it the
    last timestep is pure noise, which only trailing steps reach (Lin et al. 2023,
    arXiv 2305.08891, section 3.3).
    """
    changed = dict(config)
    if config.get("prediction_type", EPSILON) != kind:
        changed["prediction_type"] = kind
    if kind == EPSILON and config.get("rescale_betas_zero_snr"):
        changed["rescale_betas_zero_snr"] = False
    if kind == V and zero_terminal_snr and not config.get("rescale_betas_zero_snr"):
        changed |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    return changed
