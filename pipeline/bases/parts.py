"""The models that make up a base, and how diffusers and transformers build and read them."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

import torch
from torch import nn

from pipeline.errors import UserError

LibraryName = Literal["diffusers", "transformers"]
WEIGHT_FILES = {"diffusers": "diffusion_pytorch_model.safetensors", "transformers": "model.safetensors"}


@dataclass(frozen=True, kw_only=True)
class Part:
    """name: its folder in diffusers' layout. title: in messages. library, class_name: what builds it.

    file_prefix: of its tensors' names in a single file. layer_prefix: of its layers' names in network files;
    None: no network changes it. lr: the key of the group optimizer that sets its layers' learning rate.
    is_optional: whether a whole base may lack it. tied: names of weights that are others of its weights.
    """

    name: str
    title: str
    library: LibraryName
    class_name: str
    file_prefix: str
    layer_prefix: str | None = None
    lr: str = "lr"
    is_optional: bool = False
    tied: tuple[str, ...] = ()

    @property
    def weight_file(self) -> str:
        """Name of the weight file in its folder."""
        return WEIGHT_FILES[self.library]

    @property
    def is_clip(self) -> bool:
        """Whether it is a CLIP text encoder: its names have a level `text_model.` outside transformers 5."""
        return self.class_name.startswith("CLIP")

    @property
    def kind(self) -> Any:
        """The class that builds it."""
        return getattr(import_module(self.library), self.class_name)

    def outline(self, config: dict[str, Any]) -> nn.Module:
        """The model without weights, on the meta device."""
        with torch.device("meta"):
            if self.library == "diffusers":
                made: nn.Module = self.kind.from_config(config)
            else:
                made = self.kind(self.kind.config_class(**config))
        return made

    def read_config(self, path: str, options: dict[str, str], *, alone: bool = False) -> dict[str, Any]:
        """Its configuration from a folder or the hub; `alone`: the folder is the part's own."""
        place = options if alone else {"subfolder": self.name, **options}
        if self.library == "diffusers":
            config: dict[str, Any] = self.kind.load_config(path, **place)
            return config
        config, _ = self.kind.config_class.get_config_dict(path, **place)
        return dict(config)

    def whole_config(self, config: dict[str, Any]) -> dict[str, Any]:
        """The configuration with the class's defaults for missing entries."""
        if self.library == "diffusers":
            whole: Any = self.outline(config).config
            return dict(whole)
        filled: dict[str, Any] = self.kind.config_class(**config).to_dict()
        return filled

    def read(
        self,
        path: str,
        options: dict[str, str],
        *,
        alone: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> nn.Module:
        """The model with its weights, from a folder or the hub. Raises UserError if some are missing: the
        libraries would draw them at random.
        """
        place = options if alone else {"subfolder": self.name, **options}
        argument = "torch_dtype" if self.library == "diffusers" else "dtype"
        made: nn.Module
        made, info = self.kind.from_pretrained(path, **{argument: dtype}, **place, output_loading_info=True)
        ours = [name for name in info["missing_keys"] if not name.endswith("position_ids")]
        if absent := sorted(set(ours) - set(self.tied)):
            some = ", ".join(absent[:3])
            raise UserError(
                f"{path}: {len(absent)} weights of the {self.title} are missing ({some} ...);"
                f" {self.weight_file} there is of another model, or damaged: fetch it again"
            )
        return made


UNET = Part(
    name="unet", title="U-Net", library="diffusers", class_name="UNet2DConditionModel",
    file_prefix="model.diffusion_model.", layer_prefix="lora_unet_",
)  # fmt: skip
VAE = Part(
    name="vae", title="VAE", library="diffusers", class_name="AutoencoderKL", file_prefix="first_stage_model."
)


def clip_part(name: str, title: str, file_prefix: str, layer_prefix: str, *, projected: bool = False) -> Part:
    """A CLIP text encoder; projected: whether its pooled vector is projected."""
    return Part(
        name=name, title=title, library="transformers",
        class_name="CLIPTextModelWithProjection" if projected else "CLIPTextModel",
        file_prefix=file_prefix, layer_prefix=layer_prefix, lr=f"{name}_lr",
    )  # fmt: skip
