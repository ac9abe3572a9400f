"""The blocks of an MMDiT, by which people weight merges and train layers. Without torch."""

import re
from collections.abc import Iterable

MOST_JOINT_BLOCKS = 38
"""3.5 large has as many; the medium ones have 24, J00 to J23."""
FIRST_BLOCK, FINAL_BLOCK = "IN00", "OUT00"
JOINT_BLOCK = re.compile(r"(?:joint|transformer)_blocks[._]([0-9]{1,3})[._].+")
FINAL = ("final_layer", "proj_out", "norm_out")


def blocks_of_depth(joint: Iterable[int]) -> tuple[str, ...]:
    """Embedders of pictures, levels and texts; joint blocks; the final layer."""
    return (FIRST_BLOCK, *(f"J{number:02}" for number in sorted(joint)), FINAL_BLOCK)


BLOCKS = blocks_of_depth(range(MOST_JOINT_BLOCKS))


def block_of_name(name: str) -> str:
    """Block of a weight or a module, by its name in either layout without prefix, with dots or without."""
    if match := JOINT_BLOCK.fullmatch(name):
        return f"J{int(match[1]):02}"
    return FINAL_BLOCK if name.startswith(FINAL) else FIRST_BLOCK
