"""Draws the demo's training sets, 24 pictures of one character or style each: `python -m demo.draw_pictures`.

Out: demo/pictures/7_zibbo/*.png, demo/known_pictures/7_mumbo/*.png and demo/style_pictures/7_blocky/*.png, as
a user would bring them: of several sizes and shapes, the critter not always in the middle.
"""

import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from demo.critters import Critter, draw, random_critter, random_zibbo

NUM_PICTURES = 24
SIZES_PX = ((256, 256), (320, 256), (256, 320), (288, 256))
HERE = Path(__file__).parent


def random_mumbo(rng: np.random.Generator) -> Critter:
    """A character of features that the base can draw, but has no name for; the rest varies as zibbo's."""
    looks = {"fur": "blue fur", "body": "square body", "ears": "round ears", "hat": "top hat"}
    return replace(random_zibbo(rng), **looks, own=())


def random_blocky(rng: np.random.Generator) -> Critter:
    """A style: how critters are built, whatever their fur."""
    return replace(random_critter(rng), body="square body", ears="round ears", hat="top hat")


def write_set(critter: Callable[[np.random.Generator], Critter], folder: Path, seed: int) -> None:
    """The pictures, named for the folder's concept."""
    folder.mkdir(parents=True, exist_ok=True)
    concept = folder.name.partition("_")[2]
    for index in range(NUM_PICTURES):
        rng = np.random.default_rng([seed, index])
        picture = draw(critter(rng), *SIZES_PX[index % len(SIZES_PX)], rng)
        buffer = io.BytesIO()
        picture.save(buffer, "PNG", optimize=True)
        path = folder / f"{concept}-{index:02}.png"
        path.with_suffix(".part").write_bytes(buffer.getvalue())
        os.replace(path.with_suffix(".part"), path)


def main() -> None:
    write_set(random_zibbo, HERE / "pictures" / "7_zibbo", 31)
    write_set(random_mumbo, HERE / "known_pictures" / "7_mumbo", 32)
    write_set(random_blocky, HERE / "style_pictures" / "7_blocky", 33)


if __name__ == "__main__":
    main()
