"""Random bases of every family's topology, a few numbers wide."""

from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from pipeline.bases.base import Base
from pipeline.bases.family import Family
from pipeline.bases.registry import family
from pipeline.bases.t5_tokens import T5Tokenizer
from pipeline.bases.tokenizers import make_tokenizer

UNET = {"norm_num_groups": 4, "attention_head_dim": 2, "sample_size": 8}
VAE = {"block_out_channels": [4, 4, 8, 8], "norm_num_groups": 4, "sample_size": 64}
TEXT = {"intermediate_size": 32, "num_attention_heads": 2}
SMALL: dict[str, dict[str, dict[str, Any]]] = {
    "sd1": {
        "unet": {**UNET, "block_out_channels": [8, 8, 16, 16], "cross_attention_dim": 16},
        "text_encoder": {**TEXT, "hidden_size": 16, "projection_dim": 16, "num_hidden_layers": 3},
    },
    "sd2": {
        "unet": {**UNET, "block_out_channels": [8, 8, 16, 16], "cross_attention_dim": 16},
        "text_encoder": {**TEXT, "hidden_size": 16, "projection_dim": 8, "num_hidden_layers": 3},
    },
    "sdxl": {
        "unet": {
            **UNET, "block_out_channels": [8, 8, 16], "cross_attention_dim": 40, "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": 24 + 6 * 8,
        },
        "text_encoder": {**TEXT, "hidden_size": 16, "projection_dim": 16, "num_hidden_layers": 3},
        "text_encoder_2": {**TEXT, "hidden_size": 24, "projection_dim": 24, "num_hidden_layers": 3},
    },
    "sd3": {
        "transformer": {
            "num_layers": 3, "attention_head_dim": 8, "num_attention_heads": 2, "caption_projection_dim": 16,
            "joint_attention_dim": 48, "pooled_projection_dim": 16 + 24, "pos_embed_max_size": 16,
            "dual_attention_layers": [0, 1], "sample_size": 8,
        },
        "text_encoder": {**TEXT, "hidden_size": 16, "projection_dim": 16, "num_hidden_layers": 3},
        "text_encoder_2": {**TEXT, "hidden_size": 24, "projection_dim": 24, "num_hidden_layers": 3},
        "text_encoder_3": {
            "d_model": 48, "d_kv": 8, "d_ff": 64, "num_heads": 4, "num_layers": 2, "vocab_size": 40,
        },
    },
}  # fmt: skip
WORDS = [
    "<pad>", "</s>", "<unk>", "\u2581a", "\u2581cat", "\u2581girl", "\u2581with", "\u2581red", "\u2581hair",
    "\u2581solo", "\u2581", *"abcdefghijklmnopqrst,",
]  # fmt: skip
"""Vocabulary of a small T5: some words, letters, the mark of a word's beginning."""


def t5_vocabulary() -> str:
    """tokenizer.json of a small T5, of the published one's kind."""
    scores = [(word, -float(len(WORDS) - place)) for place, word in enumerate(WORDS)]
    made = Tokenizer(models.Unigram(scores, unk_id=2, byte_fallback=False))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    end = made.token_to_id("</s>")
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", end)])
    return str(made.to_str())


def small_configs(name: str, with_t5: bool = False) -> dict[str, dict[str, Any]]:
    """The family's configurations with small widths."""
    made, small = family(name), {"vae": VAE, **SMALL[name]}
    published = made.configs if with_t5 else made.whole_configs
    return {part: {**config, **small.get(part, {})} for part, config in published.items()}


def random_parts(
    made: Family, configs: dict[str, dict[str, Any]], seed: int = 0
) -> dict[str, torch.nn.Module]:
    """Parts with random weights; no two tensors are alike."""
    generator = torch.Generator().manual_seed(seed)
    parts = {}
    for part in [part for part in made.parts if part.name in configs]:
        model = part.outline(configs[part.name]).to_empty(device="cpu")
        for key, tensor in model.state_dict().items():
            if key.endswith("position_ids"):
                tensor.copy_(torch.arange(tensor.shape[-1]).expand(1, -1))
            else:
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.2)
        if part.tied:
            model.tie_weights()  # type: ignore[operator]
        for module in model.modules():
            if "position_ids" in module._buffers:
                module._buffers["position_ids"] = torch.arange(77).expand(1, -1)
        parts[part.name] = model.eval().requires_grad_(False)
    return parts


def small_base(name: str, seed: int = 0, with_t5: bool = False) -> Base:
    """A random base of the family."""
    made, configs = family(name), small_configs(name, with_t5)
    parts, t5 = random_parts(made, configs, seed), T5Tokenizer(t5_vocabulary()) if with_t5 else None
    return Base(made, make_tokenizer(None), parts, configs, t5_tokenizer=t5)


def outlined_base(name: str) -> Base:
    """The published base's shapes, without numbers."""
    made = family(name)
    configs = made.whole_configs
    parts = {part.name: part.outline(configs[part.name]) for part in made.parts if part.name in configs}
    return Base(made, make_tokenizer(None), parts, configs)
