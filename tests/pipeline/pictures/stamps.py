"""A set of 55 stamped photographs, five stamps on each of eleven, and the photographs as they are."""

from collections.abc import Iterator
from pathlib import Path

import skimage.data
import sklearn
from matplotlib import cbook, get_data_path
from PIL import Image, ImageDraw, ImageFont

SIDE_PX, MARGIN_PX = 512, 12
WHITE, BLACK, ORANGE, FAINT = (255, 255, 255, 255), (0, 0, 0, 255), (255, 140, 0, 255), (255, 255, 255, 150)
# Text, font (None: Pillow's), height in px, fill, outline, place: top or bottom, left or right.
STAMPS = {
    "address": ("\u00a9 example.com", None, 22, WHITE, None, "br"),
    "faint": ("Jane Doe Photography", "DejaVuSans", 20, FAINT, None, "bl"),
    "outlined": ("sample.org/12345", "DejaVuSans-Bold", 18, BLACK, WHITE, "tr"),
    "signature": ("M. Rossi 2021", "DejaVuSerif-Italic", 26, WHITE, None, "br"),
    "date": ("12/08/2019 17:45", "DejaVuSansMono", 20, ORANGE, None, "br"),
}
STAMPED = (
    "astronaut", "chelsea", "coffee", "rocket", "camera", "motorcycle_left", "hubble_deep_field", "ihc",
    "china", "flower", "grace_hopper",
)  # fmt: skip
UNSTAMPED = (
    *STAMPED, "brick", "coins", "grass", "gravel", "moon", "motorcycle_right", "retina", "clock_motion",
    "color", "Minduka_Present_Blue_Pack",
)  # fmt: skip


def photograph(name: str) -> Image.Image:
    """Of scikit-image, scikit-learn or matplotlib, as they ship them; RGB, transparent parts white."""
    folders = [Path(skimage.data.__file__).parent, Path(sklearn.__file__).parent / "datasets/images"]
    folders.append(Path(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))).parent)
    (path,) = (file for folder in folders for file in folder.glob(f"{name}.*") if file.suffix != ".npz")
    with Image.open(path) as picture:
        rgba = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, WHITE), rgba).convert("RGB")


def stamped_photographs() -> Iterator[tuple[str, Image.Image]]:
    """Name and picture of each stamped photograph, with a short side of SIDE_PX."""
    for name in STAMPED:
        whole = photograph(name)
        scale = SIDE_PX / min(whole.size)
        size = (round(whole.width * scale), round(whole.height * scale))
        for kind in STAMPS:
            yield f"{name}, {kind}", stamped(whole.resize(size, Image.Resampling.LANCZOS), kind)


def stamped(picture: Image.Image, kind: str) -> Image.Image:
    text, font_name, height, fill, edge, place = STAMPS[kind]
    fonts = Path(get_data_path()) / "fonts/ttf"
    font = (
        ImageFont.truetype(str(fonts / f"{font_name}.ttf"), height)
        if font_name
        else ImageFont.load_default(height)
    )
    layer = Image.new("RGBA", picture.size)
    draw = ImageDraw.Draw(layer)
    _, _, right, bottom = draw.textbbox((0, 0), text, font=font)
    left = MARGIN_PX if "l" in place else picture.width - MARGIN_PX - right
    top = MARGIN_PX if "t" in place else picture.height - MARGIN_PX - bottom
    draw.text((left, top), text, font=font, fill=fill, stroke_width=2 if edge else 0, stroke_fill=edge)
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")
