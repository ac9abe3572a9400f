"""The group tag."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from pipeline.schemas.group import Count, Fraction, Group, NonEmpty, Positive, Sha256

CaptionKind = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
"""A name such as `tags`, `sentence` or `short`."""
CaptionerDtype = Literal["fp32", "bf16", "fp16"]
CAPTIONER = "captioner"
USUAL_KIND = "tags"
"""The kind of caption that filter-tags makes of tags; the others are a captioner's."""


class TagConfig(Group):
    NEUTRAL: ClassVar = {"captioner": None}

    model: NonEmpty | Annotated[list[NonEmpty], Field(min_length=1)] | None
    sha256: Sha256 | list[Sha256 | None] | None
    min_score: Fraction
    batch: Positive
    sentence_model: NonEmpty | None
    sentence_sha256: Sha256 | None
    sentence_prompt: str
    num_beams: Positive
    min_length: Count
    max_length: Positive
    captioner: NonEmpty | None
    captioner_sha256: Sha256 | None
    captioner_kinds: dict[CaptionKind, NonEmpty]
    captioner_prompts: dict[NonEmpty, NonEmpty]
    captioner_system: NonEmpty | None
    captioner_trigger: NonEmpty | dict[NonEmpty, NonEmpty] | None
    captioner_batch: Positive
    captioner_max_tokens: Positive
    captioner_num_beams: Positive
    captioner_max_side_px: Annotated[int, Field(ge=64, le=8192)]
    captioner_dtype: CaptionerDtype
    captioner_weights: Literal["same", "int8"]

    def prompts(self) -> dict[str, str]:
        """The prompt of each kind that is written."""
        return {kind: self.captioner_prompts[name] for kind, name in sorted(self.captioner_kinds.items())}

    def of_taggers(self) -> dict[str, Any]:
        """All but the captioner's keys: scores do not follow from those."""
        values = self.model_dump()
        return {key: value for key, value in values.items() if not key.startswith(CAPTIONER)}
