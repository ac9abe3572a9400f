"""What every schema shares: frozen, strict, no unknown keys, no defaults (conf/ has those)."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pipeline.files.names import plain_name
from pipeline.seeds import MOST_SEED


class Group(BaseModel):
    """A configuration group: types and ranges only; conf/ has the numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
    NEUTRAL: ClassVar[Mapping[str, Any]] = {}
    """Keys that came later, and the values at which they change nothing."""
    DERIVED: ClassVar[tuple[str, ...]] = ()
    """Keys that follow from others."""

    def identity(self) -> dict[str, Any]:
        """What results follow from. A new key leaves results of before as they are until it is set."""
        values = self.model_dump(mode="json")
        return {
            key: value
            for key, value in values.items()
            if key not in self.DERIVED and (key not in self.NEUTRAL or value != self.NEUTRAL[key])
        }


Count = Annotated[int, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, le=MOST_SEED)]
Positive = Annotated[int, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Resolution = Annotated[int, Field(ge=64, multiple_of=64)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
FileName = Annotated[Name, AfterValidator(plain_name)]
NonEmpty = Annotated[str, Field(min_length=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
DrawingPrecision = Literal["fp32", "bf16", "fp16"]
"""Of the denoiser and the text encoders while pictures are drawn."""
