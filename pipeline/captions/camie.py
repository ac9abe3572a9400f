"""Camie taggers (Camais03/camie-tagger-v2, GPL-3.0): <name>.onnx with <name>-metadata.json.

    {"model_info": {"img_size": 512}, "dataset_info": {"tag_mapping": {"idx_to_tag": {"0": tag},
     "tag_to_category": {tag: category}}}}

The network gives logits, first of a first pass, then refined ones, which count (onnx_inference.py there).
"""

from pathlib import Path
from typing import Any

from pipeline.captions.labels import Label, labels_by_number
from pipeline.errors import UserError
from pipeline.files.json_text import read_mapping
from pipeline.files.text_file import LABEL_FILE

FORM = '{"dataset_info": {"tag_mapping": {"idx_to_tag": {...}, "tag_to_category": {...}}}}'


def read_camie_metadata(path: Path) -> list[Label]:
    """The labels; years count as facts of the file."""
    tags = _inside(path, "dataset_info", "tag_mapping")
    names, categories = tags.get("idx_to_tag"), tags.get("tag_to_category")
    if not isinstance(names, dict) or not isinstance(categories, dict):
        raise UserError(f"{path}: must be {FORM}, as in camie-tagger-v2")
    return labels_by_number(path, names, lambda tag: Label(tag, _category(categories[tag])), FORM)


def camie_side_px(path: Path) -> int | None:
    """The side that the network was trained at, if the file has it."""
    side = _inside(path, "model_info").get("img_size")
    return side if isinstance(side, int) and not isinstance(side, bool) and 1 <= side <= 4096 else None


def _category(name: str) -> str:
    return "meta" if name.lower() == "year" else name.lower()


def _inside(path: Path, *names: str) -> dict[str, Any]:
    value: Any = read_mapping(path, LABEL_FILE)
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}
