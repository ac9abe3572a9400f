"""/crop: what the crop stage would cut, by its own code, under an edit that is not yet written."""

import base64
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pipeline.config.graph_file import RESOLVED_PARAMS, read_own_yaml
from pipeline.errors import UserError
from pipeline.pictures.by_hand import Names
from pipeline.pictures.crop_edits import CROP_EDITS, CropEdit, CropEdits, crop_faults, outside
from pipeline.schemas import CropConfig
from pipeline.workbench.board import Board

if TYPE_CHECKING:
    from PIL.Image import Image

    from pipeline.pictures.cutting import Cut

PREVIEW_SIDE = 512
"""Most pixels a side of a crop shown."""


def shown(board: Board, picture_id: str, own: Mapping[str, Any] | None) -> dict[str, Any]:
    """The cuts that the settings make, and those under the entry `own`, drawn; with what is wrong with it."""
    path, config = _path(board, picture_id), _config()
    picture = _read(path, path.stat().st_mtime_ns, tuple(config.background))
    edit = edit_under(board, picture_id, own)
    if wrong := outside(edit, *picture.size):
        raise UserError(f"{wrong}; choose a part inside")
    return {
        "size": list(picture.size),
        "own": board.desk.values("crop_edits").get(picture_id),
        "cuts": [_drawn(picture, cut) for cut in _cuts(picture, config, edit)],
        "settings": [list(cut.box) for cut in _cuts(picture, config, CropEdit())],
        "files": board.desk.hashes(),
        "undo": len(board.desk.journal.done),
        "redo": len(board.desk.journal.undone),
    }


def edit_under(board: Board, picture_id: str, own: Mapping[str, Any] | None) -> CropEdit:
    """The picture's edit if its own entry were `own`; patterns that name it count too."""
    if own and (faults := crop_faults(picture_id, own)):
        raise UserError(*faults)
    entries = {name: value for name, value in board.desk.values("crop_edits").items() if name != picture_id}
    entries |= {picture_id: own} if own else {}
    edits = {name: CropEdit.model_validate(value) for name, value in entries.items()}
    return CropEdits(edits, Names(entries, [picture_id])).of(picture_id)


def write(board: Board, picture_id: str, own: Mapping[str, Any] | None, seen: str | None) -> str:
    """Writes the picture's entry, None removes it; the sentence."""
    picture = _read(path := _path(board, picture_id), path.stat().st_mtime_ns, tuple(_config().background))
    if wrong := outside(edit_under(board, picture_id, own), *picture.size):
        raise UserError(f"{CROP_EDITS}: {picture_id}: {wrong}; correct it")
    said = f"crop of {picture_id} {'decided' if own else 'as the settings say'}"
    board.desk.write("crop_edits", {picture_id: dict(own) if own else None}, seen, said)
    return said


def _config() -> CropConfig:
    try:
        return CropConfig.model_validate(read_own_yaml(RESOLVED_PARAMS)["crop"])
    except (ValidationError, KeyError, FileNotFoundError):
        raise UserError(
            f"{RESOLVED_PARAMS} is missing or of another version; run `dvc repro compose`"
        ) from None


def _path(board: Board, picture_id: str) -> Path:
    index = board.refresh_index()
    found = (index.files.get(each.original) for each in index.pictures if each.picture == picture_id)
    if (path := next(found, None)) is None:
        raise UserError(f"no record names a picture {picture_id}; run `dvc repro collect`")
    return path


@lru_cache(maxsize=4)
def _read(path: Path, _changed_ns: int, background: tuple[int, int, int]) -> "Image":
    from pipeline.pictures.reading import read_picture  # loads OpenCV

    return read_picture(path, background=background)


def _cuts(picture: "Image", config: CropConfig, edit: CropEdit) -> list["Cut"]:
    from pipeline.pictures.cutting import cuts

    return cuts(picture, config, edit)


def _drawn(picture: "Image", cut: "Cut") -> dict[str, Any]:
    from pipeline.pictures.cutting import cut_out
    from pipeline.pictures.thumbnails import webp_thumbnail

    data = base64.b64encode(webp_thumbnail(cut_out(picture, cut), PREVIEW_SIDE)).decode()
    return {
        "box": list(cut.box),
        "target": list(cut.target),
        "mirrored": cut.mirrored,
        "scale": cut.how["scale"],
        "by": cut.how["by"],
        "focus": cut.how.get("focus_px"),
        "faces": [face["box_px"] for face in cut.how.get("faces", ())],
        "image": f"data:image/webp;base64,{data}",
    }
