"""The blocks by which people weigh a merge: 25 on SD 1.x and 2.x, 19 on SDXL, told from single-file names.

IN00-IN11, M00, OUT00-OUT11 (SDXL: to IN08 and OUT08). The rule is that of
bbc-mc/sdweb-merge-block-weighted-gui (scripts/mbw/merge_block_weighted.py) and
hako-mikan/sd-webui-supermerger (scripts/mergers/mergers.py, blockfromkey): `time_embed` and SDXL's
`label_emb` count to IN00, `out` to the last block.
"""

import re
from collections.abc import Iterable

from pipeline.bases import unet_blocks
from pipeline.bases.unet_blocks import block_names
from pipeline.bases.unet_names import PREFIX as UNET_PREFIX

PLACE = re.compile(rf"{re.escape(UNET_PREFIX)}(input|output)_blocks\.([0-9]{{1,3}})\.")
TIME = (f"{UNET_PREFIX}time_embed.", f"{UNET_PREFIX}label_emb.")
LEVELS = (12, 9)
"""Blocks of each half: SD 1.x and 2.x, SDXL."""


def blocks_of(names: Iterable[str]) -> tuple[str, ...] | None:
    """The checkpoint's blocks in order; None where it is no U-Net that is known here."""
    inputs = {int(match[2]) for name in names if (match := PLACE.match(name)) and match[1] == "input"}
    half = len(inputs)
    return block_names(half) if half in LEVELS and inputs == set(range(half)) else None


def block_of(name: str, blocks: tuple[str, ...]) -> str:
    """Block of a U-Net weight, `model.diffusion_model.`..."""
    return unet_blocks.block_of(name.removeprefix(UNET_PREFIX), blocks)
