"""Masks of a picture's subject by a segmentation network in ONNX: those of rembg (U2-Net, silueta, IS-Net)
and BiRefNet.

Each make has conventions of its own, from rembg (danielgatis/rembg: sessions/) and ZhengPeng7/BiRefNet. They
go by a preprocessor_config.json next to the network, else by the file's name, else by its input and output.
"""

import io
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.captions.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from pipeline.errors import UserError
from pipeline.files.damage import reporting_damage
from pipeline.pictures.png import png_bytes
from pipeline.store.items import Items, key
from pipeline.vision.models import VisionModel, located
from pipeline.vision.onnx_session import OnnxNetwork

VERSION = 1
"""Of the algorithm: raise it when masks change."""
_SETTING = "crop.mask_model"
MASK_MODEL_FILES = ("*.onnx", "*.onnx.data", "*.onnx_data", "preprocessor_config.json")
PREFERRED = "model.onnx"
"""Of several files in a folder."""
STATED = "preprocessor_config.json"
MOST_INPUT_PX = 2048
MaskPixels = NDArray[np.float32]


@dataclass(frozen=True)
class MaskLayout:
    """How a make takes pictures and gives masks.

    by_maximum: levels are divided by the picture's brightest one, else by 255. stretched: the mask's lowest
    value becomes 0 and its highest 1, else it is taken as it is. Logits are recognised apart.
    """

    name: str
    side_px: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    by_maximum: bool
    stretched: bool


U2NET = MaskLayout("u2net", 320, IMAGENET_MEAN, IMAGENET_STD, by_maximum=True, stretched=True)
ISNET = MaskLayout("isnet", 1024, (0.5, 0.5, 0.5), (1.0, 1.0, 1.0), by_maximum=True, stretched=True)
ISNET_ANIME = replace(ISNET, name="isnet_anime", mean=IMAGENET_MEAN)
BIREFNET = MaskLayout("birefnet", 1024, IMAGENET_MEAN, IMAGENET_STD, by_maximum=False, stretched=False)
LAYOUTS = {layout.name: layout for layout in (U2NET, ISNET, ISNET_ANIME, BIREFNET)}
NAME_PARTS = (
    (("isnet", "anime"), ISNET_ANIME), (("isnet",), ISNET), (("birefnet",), BIREFNET), (("u2net",), U2NET),
    (("silueta",), U2NET),
)  # fmt: skip
"""What a file's name or its folder's contains, the more exact first."""


def mask_model(name: str, expected: str | None) -> VisionModel:
    """The model that `crop.mask_model` names, checked against its hash."""
    return located(_SETTING, name, expected, MASK_MODEL_FILES)


class SubjectMasks:
    """Draws the masks of a model; `layout`: its make, or `auto`."""

    def __init__(self, model: VisionModel, layout: str) -> None:
        self.model, self.items = model, Items("subject_mask")
        path = network_file(model)
        self.network = OnnxNetwork(path, _SETTING)
        known = LAYOUTS[layout] if layout != "auto" else stated(path) or by_name(path)
        side = self._side(known)
        self.layout = replace(known or (U2NET if side == U2NET.side_px else ISNET), side_px=side)
        self.gives_logits = self._gives_logits()
        if known is None and self.gives_logits:
            self.layout = replace(BIREFNET, side_px=side)

    def _side(self, known: MaskLayout | None) -> int:
        """Side of the network's input: its own, or the make's if it takes any."""
        shape = self.network.input.shape
        fixed = self.network.side_px if shape else None
        side = fixed or (known or ISNET).side_px
        if len(shape) != 4 or (isinstance(shape[1], int) and shape[1] != 3):
            raise UserError(
                f"{_SETTING} {self.network.path}: its input {shape} is no picture [n, 3, height, width];"
                " name a network of rembg or BiRefNet"
            )
        if not 32 <= side <= MOST_INPUT_PX:
            raise UserError(f"{_SETTING} {self.network.path}: its input is {side} px; allowed are 32 to 2048")
        return side

    def _gives_logits(self) -> bool:
        """Some exports leave the sigmoid to the caller, and the file does not say so; a picture with a dark
        and a bright half shows it.
        """
        halves = Image.new("RGB", (64, 64), "white")
        halves.paste((20, 20, 20), (0, 0, 32, 64))
        y = self._answer(halves)
        return bool((y < 0).any() or (y > 1).any())

    def __call__(self, picture: Image.Image, sha256: str) -> Image.Image:
        """The mask of an upright RGB picture whose file has this hash: 8-bit grey, the picture's size."""
        item_key = f"{self._key(sha256)}.png"
        kept = self.items.get(item_key)
        if kept is None:
            levels = np.round(self.mask(picture) * 255).astype(np.uint8)
            kept = self.items.put(item_key, png_bytes(Image.fromarray(levels)))
        with Image.open(io.BytesIO(kept)) as small:
            return small.convert("L").resize(picture.size, Image.Resampling.LANCZOS)

    def _key(self, sha256: str) -> str:
        return key(version=VERSION, model=self.model.sha256, layout=asdict(self.layout), picture=sha256)

    def mask(self, picture: Image.Image) -> MaskPixels:
        """[height, width] 0 (ground) to 1 (subject), at the network's size."""
        y = self._answer(picture)
        if self.gives_logits:
            y = np.asarray(1 / (1 + np.exp(-y.clip(-80, 80))), np.float32)
        if self.layout.stretched:
            y = (y - y.min()) / max(float(y.max() - y.min()), 1e-6)
        return y.clip(0, 1)

    def _answer(self, picture: Image.Image) -> MaskPixels:
        """[height, width], the network's first output as it is."""
        y = self.network.run(prepared(picture, self.layout)[None])
        *single, height, width = y.shape if y.ndim in (3, 4) else (0, 0, 0)
        if set(single) != {1} or not 0 < max(height, width) <= MOST_INPUT_PX:
            raise UserError(
                f"{_SETTING} {self.network.path} gives {list(y.shape)}, not a mask [1, 1, height, width];"
                " name a network of rembg or BiRefNet"
            )
        return y.reshape(height, width)


def prepared(picture: Image.Image, layout: MaskLayout) -> NDArray[np.float32]:
    """[3, side, side], squeezed to a square as the makes do."""
    small = picture.convert("RGB").resize((layout.side_px, layout.side_px), Image.Resampling.LANCZOS)
    levels = np.asarray(small, np.float32)
    levels = levels / (max(float(levels.max()), 1e-6) if layout.by_maximum else 255)
    x = (levels - np.asarray(layout.mean, np.float32)) / np.asarray(layout.std, np.float32)
    return np.ascontiguousarray(x.transpose(2, 0, 1), np.float32)


def network_file(model: VisionModel) -> Path:
    """The .onnx file that the model's path names, or the one in its folder."""
    if model.path.is_file():
        return model.path
    files = sorted(model.path.glob("*.onnx"))
    chosen = [each for each in files if each.name == PREFERRED] or files
    if len(chosen) != 1:
        found = ", ".join(each.name for each in files) or "no .onnx file"
        raise UserError(f"{_SETTING} {model.name}: {found} there; name one .onnx file, or leave one")
    return chosen[0]


def by_name(path: Path) -> MaskLayout | None:
    """The make that the name of the file or its folder says."""
    name = f"{path.parent.name}/{path.name}".lower()
    return next((layout for parts, layout in NAME_PARTS if all(part in name for part in parts)), None)


def stated(path: Path) -> MaskLayout | None:
    """What preprocessor_config.json next to the network says, as transformers writes it; None without it."""
    file = path.with_name(STATED)
    if not file.is_file():
        return None
    with reporting_damage(f"{_SETTING} {file} is not a readable configuration"):
        values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        mean, std = _three(values["image_mean"]), _three(values["image_std"])
        size = values.get("size", ISNET.side_px)
        side = int(size["height"] if isinstance(size, dict) else size)
        if min(std) <= 0:
            raise ValueError(f"image_std {std}")
    return MaskLayout("stated", side, mean, std, by_maximum=False, stretched=False)


def _three(values: Any) -> tuple[float, ...]:
    made = tuple(float(value) for value in values)
    if len(made) != 3 or not np.isfinite(made).all():
        raise ValueError(f"{values} are not three numbers")
    return made
