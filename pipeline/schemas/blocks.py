"""Types of settings with a number for each of the U-Net's blocks (25, SDXL: 19; a rule compares
them with the base), and of settings that select names."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from pipeline.schemas.group import NonEmpty, Weight


def _regular(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"it is not a regular expression ({error})") from None
    return text


Regular = Annotated[NonEmpty, AfterValidator(_regular)]
BlockName = Annotated[str, Field(pattern=r"^((IN|OUT)(0\d|1[01])|M00)$")]
Shape = Annotated[str, Field(pattern=r"^(linear|reverse_linear|sine|cosine)(\+\d*\.?\d+)?$")]
LrFactors = (
    Annotated[list[Weight], Field(min_length=19, max_length=25)] | dict[BlockName, Weight] | Shape | None
)
