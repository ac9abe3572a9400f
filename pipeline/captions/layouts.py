"""Recognises an ONNX tagger's layout by the files next to it and its input shape."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.captions.camie import camie_side_px, read_camie_metadata
from pipeline.captions.labels import (
    CATEGORY_NAMES,
    Label,
    read_selected_tags,
    read_tag_mapping,
    read_tags_txt,
    read_top_tags,
)
from pipeline.captions.preprocessing import CAMIE, DEEPDANBOORU, JOYTAG, SIGNED, WD14, Preparation
from pipeline.captions.stated_preprocessing import STATED_FILE, read_stated
from pipeline.errors import UserError

ONNX_NAMES = ("model.onnx", "model_optimized.onnx")
"""Preferred names, in this order; any other name must be the only .onnx file."""


@dataclass(frozen=True)
class Layout:
    """A family of taggers: its label file, and how its pictures are prepared."""

    name: str
    label_file: str
    """Its name, or a pattern of it."""
    read_labels: Callable[[Path], list[Label]]
    recipe: Preparation | None
    """None: the folder's preprocess.json states it."""
    outputs: tuple[str, ...] = ()
    """Names of the output that counts, the first of them that the network has; else its first output."""
    last_resort: int = 0
    """Number of the output that counts where none has these names."""
    side_px: Callable[[Path], int | None] = lambda _: None
    """The side by the label file, for a network that takes any."""
    thresholds: Mapping[str, float] = field(default_factory=dict)
    """By category, as the author published them, if the files hold none."""

    def recipe_in(self, folder: Path) -> Preparation:
        return read_stated(folder / STATED_FILE) if self.recipe is None else self.recipe

    def label_path(self, folder: Path) -> Path | None:
        """The only file of that name."""
        files = sorted(folder.glob(self.label_file))
        return files[0] if len(files) == 1 and files[0].is_file() else None

    def fits(self, folder: Path) -> bool:
        return self.label_path(folder) is not None and (
            self.recipe is not None or (folder / STATED_FILE).is_file()
        )


TAGGER_LAYOUTS = (
    Layout("wd14", "selected_tags.csv", read_selected_tags, WD14),
    Layout("stated", "selected_tags.csv", read_selected_tags, None, outputs=("prediction", "output")),
    Layout("wd14-timm", "selected_tags.csv", read_selected_tags, SIGNED),
    Layout("cl", "tag_mapping.json", read_tag_mapping, SIGNED),
    Layout(
        "camie", "*metadata.json", read_camie_metadata, CAMIE,
        outputs=("refined_predictions", "refined_logits"), last_resort=1, side_px=camie_side_px,
        thresholds=dict.fromkeys(CATEGORY_NAMES, 0.492),  # the default of programs that use it
    ),
    Layout("joytag", "top_tags.txt", read_top_tags, JOYTAG, thresholds={"general": 0.4}),
    Layout("deepdanbooru", "tags.txt", read_tags_txt, DEEPDANBOORU),
)  # fmt: skip
EXPECTED = (
    "expected: model.onnx with selected_tags.csv (WD14; input [N, side, side, 3], or [N, 3, side, side];"
    " PixAI and animetimm with preprocess.json, too),"
    " model_optimized.onnx with tag_mapping.json (cl_tagger; [N, 3, side, side]),"
    " a .onnx file with *metadata.json (Camie; [N, 3, side, side]) or top_tags.txt (JoyTag;"
    " [N, 3, side, side]),"
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
    """(layout, side in px) of a network, from its input shape and the files in its folder."""
    folder = network.parent
    for layout in TAGGER_LAYOUTS:
        if layout.fits(folder) and (side := _side_px(shape, layout, folder)):
            return layout, side
    labels = [path.name for layout in TAGGER_LAYOUTS if (path := layout.label_path(folder))]
    raise UserError(
        f"tag.model {network}: unknown layout; found: input {list(shape)},"
        f" label file {' and '.join(dict.fromkeys(labels)) or 'none'}; {EXPECTED}"
    )


def _side_px(shape: Sequence[int | str | None], layout: Layout, folder: Path) -> int | None:
    """The input side, if the shape fits the layout: a square, of fixed size or of the label file's."""
    if len(shape) != 4:
        return None
    planes = layout.recipe is None or layout.recipe.planes
    channels, *sides = shape[1:] if planes else (shape[3], *shape[1:3])
    height, width = sides
    if channels != 3:
        return None
    if isinstance(height, int):
        return height if height == width else None
    labels = layout.label_path(folder)
    return layout.side_px(labels) if labels and not isinstance(width, int) else None
