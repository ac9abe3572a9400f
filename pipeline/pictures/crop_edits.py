"""What a person decided on single pictures, in a file in git: data/crop_edits.yaml.

```yaml
zibbo/photo3: {focus: [120, 80]}                # the crop's middle, x and y in pixels of the upright picture
zibbo/photo7: {box: [10, 0, 300, 420]}          # left, top, width, height: show all of this
"zibbo/old*": {mirror: false, split: false}
```
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import UserError, nearest

CROP_EDITS = Path("data/crop_edits.yaml")
Whole = Annotated[int, Field(ge=0)]


class CropEdit(BaseModel):
    """None: as the settings have it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    focus: Annotated[list[Whole], Field(min_length=2, max_length=2)] | None = None
    box: Annotated[list[Whole], Field(min_length=4, max_length=4)] | None = None
    mirror: bool | None = None
    split: bool | None = None


def read_crop_edits(path: Path, ids: Iterable[str]) -> dict[str, CropEdit]:
    """The edit of each picture that has one; of several that name it, later ones replace what they set.

    A pattern that names no picture, an unknown key and a wrong value are user errors, all at once.
    """
    if not path.exists():
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not readable YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: must map picture ids to edits (`zibbo/photo3: {{focus: [120, 80]}}`)")
    known, problems, merged = sorted(ids), list[str](), dict[str, CropEdit]()
    for pattern, value in content.items():
        try:
            edit = CropEdit.model_validate(value)
        except ValidationError as error:
            problems += [
                _sentence(path, pattern, details["loc"], details["msg"]) for details in error.errors()
            ]
            continue
        named = [picture_id for picture_id in known if fnmatchcase(picture_id, str(pattern))]
        if not named:
            problems.append(f"{path}: {pattern} names no picture; {nearest(str(pattern), known)}")
        for picture_id in named:
            before = merged.get(picture_id, CropEdit())
            merged[picture_id] = before.model_copy(update=edit.model_dump(exclude_none=True))
    if problems:
        raise UserError(*problems)
    return merged


def outside(edit: CropEdit, width_px: int, height_px: int) -> str | None:
    """What is wrong with the edit's numbers for a picture of this size, if anything."""
    if edit.focus and not (edit.focus[0] < width_px and edit.focus[1] < height_px):
        return f"focus {edit.focus} lies outside the picture ({width_px}x{height_px} px)"
    if edit.box:
        left, top, width, height = edit.box
        if not width or not height or left + width > width_px or top + height > height_px:
            return f"box {edit.box} does not lie inside the picture ({width_px}x{height_px} px)"
    return None


def _sentence(path: Path, pattern: object, location: tuple[int | str, ...], message: str) -> str:
    key = ".".join(map(str, location)) or "the edit"
    return f"{path}: {pattern}: {key}: {message[0].lower()}{message[1:]}; {', '.join(CropEdit.model_fields)}"
