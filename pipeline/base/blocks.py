"""The 25 blocks of SD 1.x's U-Net, by which people weigh merges and networks: IN00-IN11, M00, OUT00-OUT11."""

import re

BLOCKS = (*(f"IN{n:02}" for n in range(12)), "M00", *(f"OUT{n:02}" for n in range(12)))
IN_PLACE = re.compile(r"down_blocks\.(\d)\.(resnets|attentions|downsamplers)\.(\d)\.")
OUT_PLACE = re.compile(r"up_blocks\.(\d)\.(resnets|attentions|upsamplers)\.(\d)\.")


def block_of(key: str) -> str:
    """Block of a U-Net weight by its diffusers name; the time embedding counts to IN00, as in AUTOMATIC1111's
    block merges.
    """
    if key.startswith(("conv_in.", "time_embedding.")):
        return "IN00"
    if key.startswith(("conv_norm_out.", "conv_out.")):
        return "OUT11"
    if key.startswith("mid_block."):
        return "M00"
    if match := IN_PLACE.match(key):
        level, kind, index = int(match[1]), match[2], int(match[3])
        return f"IN{3 * (level + 1) if kind == 'downsamplers' else 3 * level + index + 1:02}"
    match = OUT_PLACE.match(key)
    assert match, key
    level, kind, index = int(match[1]), match[2], int(match[3])
    return f"OUT{3 * level + (2 if kind == 'upsamplers' else index):02}"
