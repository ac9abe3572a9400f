"""Draws docs/crops.png: the same prompts and seeds under other sizes, which tiny_xl obeys as SDXL does.

Run by hand: `python -m demo.draw_crops`. Deterministic on one kind of processor.
"""

from pathlib import Path

import torch
from PIL import Image, ImageDraw

from demo.train_denoiser_xl import SIDE_PX
from pipeline.bases.base import Base
from pipeline.bases.conditioning import cat
from pipeline.bases.latents import decoded
from pipeline.bases.load import load_base
from pipeline.device import make_repeatable
from pipeline.drawing.conditioning import conditioning
from pipeline.drawing.samplers import Sampler
from pipeline.drawing.text_to_image import denoised
from pipeline.schemas import BaseConfig

OUT = Path("docs/crops.png")
SIZES = {
    "whole, 256 px": (256, 256, 0, 0, SIDE_PX, SIDE_PX),
    "cut, top of 128 x 256": (256, SIDE_PX, 0, 0, SIDE_PX, SIDE_PX),
    "cut, bottom": (256, SIDE_PX, 128, 0, SIDE_PX, SIDE_PX),
    "cut, left of 256 x 128": (SIDE_PX, 256, 0, 0, SIDE_PX, SIDE_PX),
    "cut, right": (SIDE_PX, 256, 0, 128, SIDE_PX, SIDE_PX),
    "original of 24 px": (24, 24, 0, 0, SIDE_PX, SIDE_PX),
}
"""Original height and width, crop corner, target height and width, by their title."""
PROMPTS = (
    "critter, blue fur, round body, meadow, standing, smile",
    "critter, red fur, square body, night, standing, smile",
)
SEEDS, STEPS, GUIDANCE, MARGIN_PX = (1, 2), 30, 5.0, 18


def row(base: Base, prompt: str, sizes: tuple[int, ...]) -> list[Image.Image]:
    """The prompt drawn from each seed."""
    sampler = Sampler("dpmpp_2m_karras", base.configs["scheduler"], STEPS, base.device)
    prompted, without = (
        [cat([conditioning(base, text, 1)] * len(SEEDS)).sized(sizes)] * STEPS for text in (prompt, "")
    )
    noise = sampler.start(sampler.noise(list(SEEDS), SIDE_PX, SIDE_PX))
    return decoded(base, denoised(base, sampler, noise, without, prompted, GUIDANCE))


def sheet(columns: dict[str, list[Image.Image]]) -> Image.Image:
    """A column of pictures under each title."""
    tall = max(map(len, columns.values()))
    made = Image.new("RGB", (len(columns) * SIDE_PX, tall * SIDE_PX + MARGIN_PX), "white")
    pen = ImageDraw.Draw(made)
    for number, (title, pictures) in enumerate(columns.items()):
        pen.text((number * SIDE_PX + 4, 3), title, "black")
        for line, picture in enumerate(pictures):
            made.paste(picture, (number * SIDE_PX, MARGIN_PX + line * SIDE_PX))
    return made


@torch.no_grad()
def main() -> None:
    make_repeatable()
    base = load_base(BaseConfig.plain("demo/base_xl"))
    columns = {
        title: [each for prompt in PROMPTS for each in row(base, prompt, sizes)]
        for title, sizes in SIZES.items()
    }
    sheet(columns).save(OUT, optimize=True)


if __name__ == "__main__":
    main()
