"""Draws the demo's training set, 24 pictures of one character: `python -m demo.draw_pictures`.

Out: demo/pictures/7_zibbo/*.png, as a user would bring them: of several sizes and shapes, the character not
always in the middle.
"""

import io
import os
from pathlib import Path

import numpy as np

from demo.critters import draw, random_zibbo

NUM_PICTURES = 24
SIZES_PX = ((256, 256), (320, 256), (256, 320), (288, 256))
FOLDER = Path(__file__).parent / "pictures" / "7_zibbo"


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for index in range(NUM_PICTURES):
        rng = np.random.default_rng([31, index])
        picture = draw(random_zibbo(rng), *SIZES_PX[index % len(SIZES_PX)], rng)
        buffer = io.BytesIO()
        picture.save(buffer, "PNG", optimize=True)
        path = FOLDER / f"zibbo-{index:02}.png"
        path.with_suffix(".part").write_bytes(buffer.getvalue())
        os.replace(path.with_suffix(".part"), path)


if __name__ == "__main__":
    main()
