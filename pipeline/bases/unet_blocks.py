"""The blocks of a U-Net, by which people weight merges and train layers, from LDM names."""

from collections.abc import Sequence

from pipeline.bases.structure import DenoiserStructure
from pipeline.bases.unet_names import BLOCK

KIND_OF_CHANNELS = {9: "inpainting", 8: "instruct-pix2pix", 5: "depth", 7: "upscaler"}
"""Kinds of U-Net by the first convolution's input channels, if it takes more than noisy latents."""


def with_channels(denoiser: DenoiserStructure) -> str | None:
    """The kind of a U-Net that takes other channels than noisy latents."""
    return (
        None
        if denoiser.in_channels == 4
        else KIND_OF_CHANNELS.get(denoiser.in_channels, f"{denoiser.in_channels} input channels")
    )


def block_names(half: int) -> tuple[str, ...]:
    """IN00 ..., M00, OUT00 ...: `half` blocks on the way down, the middle, `half` on the way up."""
    return (*(f"IN{n:02}" for n in range(half)), "M00", *(f"OUT{n:02}" for n in range(half)))


def block_of(name: str, blocks: Sequence[str]) -> str:
    """Block of a weight or module by its LDM name.

    `time_embed` and `label_emb` belong to IN00, `out` to the last block, as in other tools' merges by block
    (bbc-mc/sdweb-merge-block-weighted-gui, hako-mikan/sd-webui-supermerger).
    """
    if match := BLOCK.match(f"{name}.x"):
        return f"{'IN' if match[1] == 'input' else 'OUT'}{int(match[2]):02}"
    if name.startswith("out."):
        return blocks[-1]
    return "M00" if name.startswith("middle_block.") else "IN00"
