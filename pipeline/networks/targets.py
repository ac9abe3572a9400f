"""The modules that a network attaches to, by the names that LoRA files give them (kohya-ss/sd-scripts
networks/lora.py).
"""

from collections.abc import Collection

from torch import nn

from pipeline.base.ldm_keys import text_encoder_key

UNET_PREFIX = "lora_unet_"
TEXT_PREFIX = "lora_te_"
ATTENTION_BLOCKS = ("Transformer2DModel",)
CONVOLUTION_BLOCKS = ("ResnetBlock2D", "Downsample2D", "Upsample2D")
CHANGEABLE = (nn.Linear, nn.Conv2d, nn.GroupNorm, nn.LayerNorm)
TEXT_PARTS = ("self_attn", "mlp")


def unet_targets(unet: nn.Module) -> dict[str, nn.Module]:
    """Every linear and 1x1 convolution in the U-Net's attention blocks: 192 on SD 1.x."""
    return _inside(unet, ATTENTION_BLOCKS)


def convolution_targets(unet: nn.Module) -> dict[str, nn.Module]:
    """Every linear and convolution in the Res blocks and between the levels: 86 on SD 1.x."""
    return _inside(unet, CONVOLUTION_BLOCKS)


def all_targets(unet: nn.Module, text_encoder: nn.Module) -> dict[str, nn.Module]:
    """Every layer that a file may change, norms too: whatever tool wrote it."""
    in_unet = {file_name(UNET_PREFIX, name): module for name, module in unet.named_modules()}
    in_text = {
        file_name(TEXT_PREFIX, text_encoder_key(name)): module
        for name, module in text_encoder.named_modules()
    }
    return {name: module for name, module in (in_unet | in_text).items() if isinstance(module, CHANGEABLE)}


def text_encoder_targets(text_encoder: nn.Module) -> dict[str, nn.Module]:
    """Every linear layer of the text encoder's attention and MLP: 72 on SD 1.x."""
    return {
        file_name(TEXT_PREFIX, text_encoder_key(name)): module
        for name, module in text_encoder.named_modules()
        if isinstance(module, nn.Linear) and any(part in name.split(".") for part in TEXT_PARTS)
    }


def unet_paths(unet: nn.Module) -> dict[str, str]:
    """diffusers' names of the U-Net's modules by those in a file."""
    return {file_name(UNET_PREFIX, name): name for name, _ in unet.named_modules()}


def _inside(unet: nn.Module, blocks: Collection[str]) -> dict[str, nn.Module]:
    return {
        file_name(UNET_PREFIX, f"{block_name}.{name}"): module
        for block_name, block in unet.named_modules()
        if type(block).__name__ in blocks
        for name, module in block.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
    }


def file_name(prefix: str, module_name: str) -> str:
    """`down_blocks.0.attentions.0.proj_in` -> `lora_unet_down_blocks_0_attentions_0_proj_in`."""
    return prefix + module_name.replace(".", "_")
