"""What the families with a U-Net share; each defines its parts, its names and how it encodes text."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from pipeline.bases import unet_names, vae_names
from pipeline.bases.clip_names import TextNames, held_by_texts, transformers_name, usual_text_key
from pipeline.bases.conditioning import Conditioning
from pipeline.bases.family import Configs, Family
from pipeline.bases.origins import Held, Origin
from pipeline.bases.unet_blocks import block_of

if TYPE_CHECKING:
    from pipeline.bases.base import Base


TRANSFORMER_STARTS = ("joint_blocks.", "x_embedder.", "t_embedder.", "y_embedder.", "context_embedder.",
                      "final_layer.", "pos_embed")  # fmt: skip


class UNetFamily(Family):
    """text_names: of the text encoders' tensors in a single file, by part."""

    main_blocks = ("Transformer2DModel",)
    further_blocks = ("ResnetBlock2D", "Downsample2D", "Upsample2D")
    text_blocks = ("self_attn", "mlp")
    text_names: ClassVar[Mapping[str, TextNames]]

    def origin(self, part: str, name: str, configs: Configs) -> Origin:
        if part == "unet":
            return Origin(unet_names.LDM_UNET_PREFIX + unet_names.ldm_name(name, has_attention(configs)))
        return vae_names.origin(name) if part == "vae" else self.text_names[part].origin(name)

    def held(self, key: str) -> list[tuple[str, Held]]:
        if key.startswith(unet_names.LDM_UNET_PREFIX):
            own = key.removeprefix(unet_names.LDM_UNET_PREFIX)
            try:
                return [("unet", Held(unet_names.diffusers_name(own)))]
            except KeyError:  # an addition by another tool keeps its name; a transformer's are no U-Net's
                return [] if own.startswith(TRANSFORMER_STARTS) else [("unet", Held(own))]
        return held_by_texts(self.text_names, key)

    def usual_key(self, key: str) -> str:
        return usual_text_key(self.text_names, key)

    def layer_name(self, part: str, path: str, configs: Configs) -> str:  # noqa: ARG002
        """sd-scripts' names: diffusers' paths, and transformers' with their `text_model.` level."""
        named = path if part == "unet" else transformers_name(path)
        return f"{self.part(part).layer_prefix}{named.replace('.', '_')}"

    def block_of(self, key: str) -> str | None:
        if not key.startswith(unet_names.LDM_UNET_PREFIX):
            return None
        return block_of(key.removeprefix(unet_names.LDM_UNET_PREFIX), self.facts.blocks)

    def block_of_layer(self, name: str) -> str | None:
        prefix = str(self.denoiser.layer_prefix)
        if not name.startswith(prefix):
            return None
        path = unet_names.dotted(name.removeprefix(prefix))
        try:
            ldm = path if path.startswith(unet_names.LDM_STARTS) else unet_names.ldm_name(path, [True] * 4)
        except KeyError:
            return None
        return block_of(ldm, self.facts.blocks)

    def misfits(self, configs: Configs) -> list[str]:
        read, given = configs["unet"]["cross_attention_dim"], sum(self.token_widths(configs))
        if read == given:
            return []
        return [f"its U-Net reads tokens {read} wide, and its text encoders give {given}"]

    def predict(self, base: "Base", noisy: Tensor, levels: Tensor, conditioning: Conditioning) -> Tensor:
        answer: Tensor = base.denoiser(noisy, levels, conditioning.tokens, return_dict=False)[0]
        return answer


def has_attention(configs: Configs) -> list[bool]:
    """Which levels of the way up have attention, from the deepest."""
    return ["CrossAttn" in kind for kind in configs["unet"]["up_block_types"]]
