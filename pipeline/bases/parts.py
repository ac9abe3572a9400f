"""The models that a base is made of."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

Library = Literal["diffusers", "transformers"]
WEIGHT_FILES = {"diffusers": "diffusion_pytorch_model.safetensors", "transformers": "model.safetensors"}


@dataclass(frozen=True)
class Part:
    """name: its folder in diffusers' layout. title: in messages. library, class_name: who builds it.

    layer_prefix: of its layers in files of networks; None: no network changes it. lr: the key of the group
    optimizer whose rate its layers learn at.
    """

    name: str
    title: str
    library: Library
    class_name: str
    layer_prefix: str | None = None
    lr: str = "lr"

    @property
    def weight_file(self) -> str:
        """Its weights in its folder."""
        return WEIGHT_FILES[self.library]

    def outline(self, config: dict[str, Any]) -> nn.Module:
        """The model without weights, on the meta device."""
        with torch.device("meta"):
            if self.library == "diffusers":
                import diffusers

                made: nn.Module = getattr(diffusers, self.class_name).from_config(config)
                return made
            import transformers

            kind = getattr(transformers, self.class_name)
            built: nn.Module = kind(kind.config_class(**config))
            return built


UNET = Part("unet", "U-Net", "diffusers", "UNet2DConditionModel", "lora_unet_", "lr")
VAE = Part("vae", "VAE", "diffusers", "AutoencoderKL")
