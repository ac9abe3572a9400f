"""Recognises an ONNX tagger's layout by its label file and input shape."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.captions.labels import Label, read_selected_tags, read_tag_mapping, read_tags_txt
from pipeline.captions.preprocessing import DEEPDANBOORU, SIGNED, WD14, Preprocessing
from pipeline.errors import UserError

ONNX_NAMES = ("model.onnx", "model_optimized.onnx")
"""Preferred names, in this order; any other name must be the only .onnx file."""


@dataclass(frozen=True)
class Layout:
    """A family of taggers: its label file, and how its pictures are prepared."""

    name: str
    label_file: str
    read_labels: Callable[[Path], list[Label]]
    recipe: Preprocessing


TAGGER_LAYOUTS = (
    Layout("wd14", "selected_tags.csv", read_selected_tags, WD14),
    Layout("wd14-timm", "selected_tags.csv", read_selected_tags, SIGNED),
    Layout("cl", "tag_mapping.json", read_tag_mapping, SIGNED),
    Layout("deepdanbooru", "tags.txt", read_tags_txt, DEEPDANBOORU),
)
EXPECTED = (
    "expected: model.onnx with selected_tags.csv (WD14; input [N, side, side, 3], or [N, 3, side, side]),"
    " model_optimized.onnx with tag_mapping.json (cl_tagger; [N, 3, side, side]),"
    " a .onnx file with tags.txt (DeepDanbooru; [N, side, side, 3]), or DeepDanbooru's .pt file"
)


def network_file(folder: Path) -> Path:
    """The folder's .onnx file; a user error if there is none, or several with other names."""
    files = sorted(folder.glob("*.onnx"))
    for name in ONNX_NAMES:
        if folder / name in files:
            return folder / name
    if len(files) == 1:
        return files[0]
    listed = ", ".join(sorted(path.name for path in folder.iterdir())) if folder.is_dir() else "no folder"
    problem = "several .onnx files, none named model.onnx" if files else "no .onnx file"
    raise UserError(f"tag.model {folder}: {problem}; found: {listed or 'nothing'}; {EXPECTED}")


def recognise(network: Path, shape: Sequence[int | str | None]) -> tuple[Layout, int]:
    """(layout, side in px) of a network, from its input shape and the label files in its folder."""
    for layout in TAGGER_LAYOUTS:
        if (network.parent / layout.label_file).is_file() and (side := _side_px(shape, layout)):
            return layout, side
    labels = [
        layout.label_file for layout in TAGGER_LAYOUTS if (network.parent / layout.label_file).is_file()
    ]
    raise UserError(
        f"tag.model {network}: unknown layout; found: input {list(shape)},"
        f" label file {' and '.join(dict.fromkeys(labels)) or 'none'}; {EXPECTED}"
    )


def _side_px(shape: Sequence[int | str | None], layout: Layout) -> int | None:
    """The input side, if the shape fits the layout: a square of fixed size."""
    if len(shape) != 4:
        return None
    channels, *sides = shape[1:] if layout.recipe.planes else (shape[3], *shape[1:3])
    height, width = sides
    return height if channels == 3 and isinstance(height, int) and height == width else None
