"""What a person decided on single pictures, in a file in git: data/crop_edits.yaml.

```yaml
zibbo/photo3: {focus: [120, 80]}                # the crop's middle, x and y in pixels of the upright picture
zibbo/photo7: {box: [10, 0, 300, 420]}          # left, top, width, height: show all of this
"zibbo/old*": {mirror: false, split: false}
```
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import UserError, nearest
from pipeline.pictures.by_hand import named, read_entries

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
    entries = read_entries(path, "zibbo/photo3: {focus: [120, 80]}")
    known, problems, merged = sorted(ids), list[str](), dict[str, CropEdit]()
    for pattern, value in entries.items():
        try:
            edit = CropEdit.model_validate(value)
        except ValidationError as error:
            problems += [
                _sentence(path, pattern, details["loc"], details["msg"]) for details in error.errors()
            ]
            continue
        pictures = named(pattern, known)
        if not pictures:
            problems.append(f"{path}: {pattern} names no picture; {nearest(pattern, known)}")
        for picture_id in pictures:
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


def _sentence(path: Path, pattern: str, location: tuple[int | str, ...], message: str) -> str:
    key = ".".join(map(str, location)) or "the edit"
    return f"{path}: {pattern}: {key}: {message[0].lower()}{message[1:]}; {', '.join(CropEdit.model_fields)}"
