"""Stable Diffusion 3 and 3.5: a multimodal diffusion transformer (MMDiT), CLIP ViT-L/14, OpenCLIP ViT-bigG/14
and T5 (Esser et al. 2024, arXiv 2403.03206).

The last but one layers of both CLIP encoders, without a final norm, are joined along their width and filled
up with zeros to T5's width; T5's states follow as further tokens. Without T5 these are zeros, as the model
learned to draw. The transformer also gets both projected vectors.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.bases import mmdit_names, vae_names
from pipeline.bases.clip_names import ClipNames, held_by_texts, transformers_name, usual_text_key
from pipeline.bases.clip_text import OPENCLIP_PADDING, padded, pooled, states
from pipeline.bases.conditioning import Conditioning
from pipeline.bases.family import Configs, Family
from pipeline.bases.mmdit_blocks import MOST_JOINT_BLOCKS, block_of_name
from pipeline.bases.origins import Held, Origin
from pipeline.bases.parts import VAE, Part, clip_part
from pipeline.bases.sd3.facts import CLIP_G, CLIP_L, FACTS, T5XXL
from pipeline.bases.sd3.members import member_of, transformer_config
from pipeline.bases.structure import TensorShapes, structure
from pipeline.bases.t5_part import t5_config, t5_dtype, t5_origin, t5_part, t5_products
from pipeline.bases.t5_tokens import USUAL_T5_TOKENS

if TYPE_CHECKING:
    from pipeline.bases.base import Base

SD3_TRANSFORMER = Part(
    name="transformer", title="transformer", library="diffusers", class_name="SD3Transformer2DModel",
    file_prefix=mmdit_names.MMDIT_PREFIX, layer_prefix="lora_transformer_",
)  # fmt: skip
LAST_BUT_ONE_LAYER = 2


T5 = t5_part("text_encoder_3", "third text encoder (T5)", T5XXL)


class SD3(Family):
    facts = FACTS
    parts = (
        SD3_TRANSFORMER,
        VAE,
        clip_part(
            "text_encoder", "first text encoder", CLIP_L, "lora_te1_",
            projected=True,
        ),
        clip_part(
            "text_encoder_2", "second text encoder", CLIP_G, "lora_te2_",
            projected=True,
        ),
        T5,
    )  # fmt: skip
    main_blocks = ("JointTransformerBlock",)
    further_blocks = ()
    recomputed_blocks = ("JointTransformerBlock",)
    placeless = ("attn_add_", "attn_to_add_out", "context", "norm1_linear", "norm_out", "time_text_embed")
    kept_share = 1.55
    """Counted: 1.63 of all activations, 1.45 of those that gradient checkpointing keeps."""
    text_blocks = ("self_attn", "mlp")
    tokenizer_folders = ("tokenizer", "tokenizer_2")
    paddings: ClassVar = {"tokenizer_2": OPENCLIP_PADDING}
    index_extras: ClassVar = {"text_encoder_3": [None, None], "tokenizer_3": [None, None]}
    text_names: ClassVar[Mapping[str, ClipNames]] = {
        part.name: ClipNames(part.file_prefix) for part in parts if part.is_clip
    }

    @property
    def widest_configs(self) -> Configs:
        blocks = {"num_layers": MOST_JOINT_BLOCKS, "dual_attention_layers": list(range(MOST_JOINT_BLOCKS))}
        name = SD3_TRANSFORMER.name
        return {**self.configs, name: {**self.configs[name], **blocks}}

    def configs_of(self, shapes: TensorShapes) -> Configs:
        name = SD3_TRANSFORMER.name
        own = transformer_config(self.configs[name], shapes, structure(shapes).prefix)
        t5 = t5_config(self.configs[T5.name], shapes, T5.file_prefix)
        return {**self.whole_configs, name: own, **({T5.name: t5} if t5 else {})}

    def origin(self, part: str, name: str, configs: Configs) -> Origin:
        if part == SD3_TRANSFORMER.name:
            return mmdit_names.weight_origin(name, configs[part]["num_layers"])
        if part == T5.name:
            return t5_origin(T5, name)
        return vae_names.origin(name) if part == "vae" else self.text_names[part].origin(name)

    def held(self, key: str) -> list[tuple[str, Held]]:
        if key.startswith(mmdit_names.MMDIT_PREFIX):
            try:
                held = mmdit_names.held_weights(key.removeprefix(mmdit_names.MMDIT_PREFIX))
            except KeyError:  # of another family
                return []
            return [(SD3_TRANSFORMER.name, each) for each in held]
        return held_by_texts(self.text_names, key)

    def usual_key(self, key: str) -> str:
        return usual_text_key(self.text_names, key)

    def layer_name(self, part: str, path: str, configs: Configs) -> str:  # noqa: ARG002
        """diffusers' paths, which ComfyUI reads, too; transformers' with their `text_model.` level."""
        named = path if part == SD3_TRANSFORMER.name else transformers_name(path)
        return f"{self.part(part).layer_prefix}{named.replace('.', '_')}"

    def block_of(self, key: str) -> str | None:
        own = key.removeprefix(mmdit_names.MMDIT_PREFIX)
        return block_of_name(own) if own != key else None

    def block_of_layer(self, name: str) -> str | None:
        own = name.removeprefix(str(SD3_TRANSFORMER.layer_prefix))
        return block_of_name(own) if own != name else None

    def dtype_of(self, part: Part, trained_dtype: torch.dtype) -> torch.dtype:
        """T5 is as large as all other parts together."""
        return t5_dtype(trained_dtype) if part == T5 else super().dtype_of(part, trained_dtype)

    def stamp(self, configs: Configs) -> tuple[str, str]:
        """By the member, as sd-scripts tells them apart."""
        return member_of(configs[SD3_TRANSFORMER.name]), self.facts.version

    def pooled_widths(self, configs: Configs) -> list[int]:
        return [configs[name]["projection_dim"] for name in self.facts.text_encoders]

    def misfits(self, configs: Configs) -> list[str]:
        reads, vae = configs[SD3_TRANSFORMER.name], configs[VAE.name]
        width, pooled_width = reads["joint_attention_dim"], reads["pooled_projection_dim"]
        tokens, vectors = sum(self.token_widths(configs)), sum(self.pooled_widths(configs))
        t5 = configs[T5.name]["d_model"] if T5.name in configs else width
        channels, inside = vae.get("latent_channels", 4), reads["in_channels"]
        problems = {
            f"CLIP gives tokens {tokens} wide, the transformer reads at most {width}": tokens > width,
            f"T5 gives tokens {t5} wide, the transformer reads {width}": t5 != width,
            f"CLIP gives vectors {vectors} wide, the transformer reads {pooled_width}": vectors
            != pooled_width,
            f"its VAE has {channels} channels, the transformer {inside}": channels != inside,
        }
        return [problem for problem, is_there in problems.items() if is_there]

    def encode(self, base: "Base", ids: Tensor, clip_skip: int) -> Conditioning:
        """Tokens of both CLIP encoders alone; `predict` adds what the transformer reads besides."""
        first, second = base.text_encoders
        own = padded(ids, base.end_token, OPENCLIP_PADDING)
        tokens, last = states(first, ids, max(clip_skip, LAST_BUT_ONE_LAYER), normed=False)
        others, other_last = states(second, own, LAST_BUT_ONE_LAYER, normed=False)
        vectors = [
            pooled(first, last, ids, base.end_token),
            pooled(second, other_last, own, base.end_token),
        ]
        return Conditioning(torch.cat([tokens, others], dim=-1), torch.cat(vectors, dim=-1))

    @torch.no_grad()
    def encode_further(self, base: "Base", ids: Tensor) -> Tensor:
        """It reads the padding, too, as in the published training."""
        with t5_products(ids.device):
            output: Tensor = base.part(T5.name)(input_ids=ids).last_hidden_state
        return output

    def predict(self, base: "Base", noisy: Tensor, levels: Tensor, conditioning: Conditioning) -> Tensor:
        answer: Tensor = base.denoiser(
            noisy,
            encoder_hidden_states=joint_tokens(conditioning, base.denoiser.config.joint_attention_dim),
            pooled_projections=conditioning.pooled,
            timestep=levels.expand(len(noisy)),
            return_dict=False,
        )[0]
        return answer


def joint_tokens(conditioning: Conditioning, width: int) -> Tensor:
    """[batch, n + m, width]: CLIP's tokens filled up with zeros, then T5's tokens, or zeros in their
    place.
    """
    tokens = conditioning.tokens
    wide = F.pad(tokens, (0, width - tokens.shape[-1]))
    further = conditioning.further
    if further is None:
        further = wide.new_zeros(len(wide), USUAL_T5_TOKENS, width)
    return torch.cat([wide, further.to(wide)], dim=1)


FAMILY = SD3()
