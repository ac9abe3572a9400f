"""What the page proposes: a file, a picture to start with, and how to use one tool."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.bases.facts import FamilyFacts
from pipeline.bases.prediction import FLOW
from pipeline.reports.run.files import FamilyName


@dataclass(frozen=True)
class Proposal:
    """The proposed file, and a picture to start with. `kind`: network.name; `words`: of an embedding;
    `facts`: of the base's family; None if it is not known.
    """

    kind: str
    family: FamilyName
    path: Path
    weight: float
    words: Sequence[str]
    base: Mapping[str, Any]
    facts: FamilyFacts | None
    merged: Path | None
    prompt: str
    negative_prompt: str
    seed: int
    sampler: str
    steps: int
    guidance: float
    width: int
    height: int
    clip_skip: int
    infotext: str
    is_plain: bool = True
    """Whether other tools open the file directly: LoRA without DoRA."""
    second_steps: int = 0
    """Steps of the picture's second pass; 0: none."""
    guidance_rescale: float = 0.0
    predicts_v: bool = False
    has_zero_snr: bool = False
    """Whether the base was trained with zero terminal SNR."""

    @property
    def pipeline(self) -> str:
        """diffusers' class."""
        return self.facts.pipeline if self.facts else "AutoPipelineForText2Image"

    @property
    def is_flow(self) -> bool:
        return self.facts is not None and self.facts.objective == FLOW

    @property
    def has_t5(self) -> bool:
        """Whether the picture's base may have a T5, and was drawn with it if it has."""
        return self.facts is not None and self.facts.has_t5 and self.base.get("t5") != "none"

    @property
    def has_two_encoders(self) -> bool:
        return self.facts is not None and len(self.facts.text_encoders) > 1

    @property
    def needs_marker(self) -> bool:
        """Whether other tools learn what the base predicts from a marker in its file: SDXL's."""
        return self.predicts_v and self.has_two_encoders


@dataclass(frozen=True)
class Use:
    """How to use one tool: where the file goes, and blocks to copy, each with a sentence."""

    tool: str
    place: str
    blocks: Sequence[tuple[str, str]]
    notes: Sequence[str] = ()
