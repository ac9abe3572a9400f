"""Manual edits of single pictures' crops: data/crop_edits.yaml, kept in git.

```yaml
zibbo/photo3: {focus: [120, 80]}                # the crop's middle, x and y in pixels of the upright picture
zibbo/photo7: {box: [10, 0, 300, 420]}          # left, top, width, height: show all of this
"zibbo/old*": {mirror: false, split: false}
```
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import UserError, nearest
from pipeline.pictures.by_hand import Names, read_entries

CROP_EDITS = Path("data/crop_edits.yaml")
Whole = Annotated[int, Field(ge=0)]


class CropEdit(BaseModel):
    """None: as in the settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    focus: Annotated[list[Whole], Field(min_length=2, max_length=2)] | None = None
    box: Annotated[list[Whole], Field(min_length=4, max_length=4)] | None = None
    mirror: bool | None = None
    split: bool | None = None


class CropEdits:
    """The file's edits, by name or pattern."""

    def __init__(self, edits: Mapping[str, CropEdit], names: Names) -> None:
        self.edits, self.names = edits, names

    def of(self, picture_id: str) -> CropEdit:
        """A picture's edit; of several that match, later ones override earlier ones."""
        merged = CropEdit()
        for name in self.names.of(picture_id):
            merged = merged.model_copy(update=self.edits[name].model_dump(exclude_none=True))
        return merged


def read_crop_edits(path: Path, ids: Callable[[], Iterable[str]], left_out: Iterable[str] = ()) -> CropEdits:
    """The edits, checked against the pictures' ids. One user error lists names without a picture, unknown
    keys and wrong values. Edits of pictures that are `left_out` wait.
    """
    entries = read_entries(path, "zibbo/photo3: {focus: [120, 80]}")
    problems = [fault for name, value in entries.items() for fault in crop_faults(name, value, path)]
    edits = {} if problems else {name: CropEdit.model_validate(value) for name, value in entries.items()}
    names = Names(entries, ids())
    unknown = Names(names.unknown, left_out).unknown
    problems += [f"{path}: {name} matches no picture; {nearest(name, ids())}" for name in unknown]
    if problems:
        raise UserError(*problems)
    return CropEdits(edits, names)


def crop_faults(name: str, value: object, path: Path = CROP_EDITS) -> list[str]:
    """What is wrong with an entry."""
    try:
        CropEdit.model_validate(value)
    except ValidationError as error:
        return [_sentence(path, name, details["loc"], details["msg"]) for details in error.errors()]
    return []


def outside(edit: CropEdit, width_px: int, height_px: int) -> str | None:
    """What is wrong with the edit's numbers for a picture of this size, if anything."""
    if edit.focus and not (edit.focus[0] < width_px and edit.focus[1] < height_px):
        return f"focus {edit.focus} is outside the picture ({width_px}x{height_px} px)"
    if edit.box:
        left, top, width, height = edit.box
        if not width or not height or left + width > width_px or top + height > height_px:
            return f"box {edit.box} is not inside the picture ({width_px}x{height_px} px)"
    return None


def _sentence(path: Path, pattern: str, location: tuple[int | str, ...], message: str) -> str:
    key = ".".join(map(str, location)) or "the edit"
    reason = f"{message[0].lower()}{message[1:]}"
    return f"{path}: {pattern}: {key}: {reason}; allowed: {', '.join(CropEdit.model_fields)}"
