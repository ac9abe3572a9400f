"""The modules that a network attaches to, by the names that LoRA files give them (kohya-ss/sd-scripts
networks/lora.py).
"""

from torch import nn

from pipeline.base.ldm_keys import text_encoder_key

UNET_PREFIX = "lora_unet_"
TEXT_PREFIX = "lora_te_"
ATTENTION_BLOCK = "Transformer2DModel"
TEXT_PARTS = ("self_attn", "mlp")


def unet_targets(unet: nn.Module) -> dict[str, nn.Module]:
    """Every linear and 1x1 convolution in the U-Net's attention blocks: 192 on SD 1.x."""
    found: dict[str, nn.Module] = {}
    for block_name, block in unet.named_modules():
        if type(block).__name__ == ATTENTION_BLOCK:
            for name, module in block.named_modules():
                if isinstance(module, nn.Linear) or (
                    isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1)
                ):
                    found[file_name(UNET_PREFIX, f"{block_name}.{name}")] = module
    return found


def text_encoder_targets(text_encoder: nn.Module) -> dict[str, nn.Module]:
    """Every linear layer of the text encoder's attention and MLP: 72 on SD 1.x."""
    return {
        file_name(TEXT_PREFIX, text_encoder_key(name)): module
        for name, module in text_encoder.named_modules()
        if isinstance(module, nn.Linear) and any(part in name.split(".") for part in TEXT_PARTS)
    }


def file_name(prefix: str, module_name: str) -> str:
    """`down_blocks.0.attentions.0.proj_in` -> `lora_unet_down_blocks_0_attentions_0_proj_in`."""
    return prefix + module_name.replace(".", "_")
