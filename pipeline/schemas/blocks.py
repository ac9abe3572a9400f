"""Types of settings with a number for each of the denoiser's blocks (a rule compares them with the base), and
of settings that select names.
"""

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
BlockName = Annotated[str, Field(pattern=r"^[A-Z]{1,3}\d\d$")]
Shape = Annotated[str, Field(pattern=r"^(linear|reverse_linear|sine|cosine)(\+\d*\.?\d+)?$")]
ForEachBlock = Field(min_length=3, max_length=64)
LrFactors = Annotated[list[Weight], ForEachBlock] | dict[BlockName, Weight] | Shape | None
