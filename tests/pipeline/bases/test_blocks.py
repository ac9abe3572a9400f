from collections import Counter

from torch import nn

from pipeline.bases.registry import families, family

GOLDEN = {
    "IN00": 6, "IN01": 36, "IN02": 36, "IN03": 2, "IN04": 38, "IN05": 36, "IN06": 2, "IN07": 38, "IN08": 36,
    "IN09": 2, "IN10": 10, "IN11": 10, "M00": 46, "OUT00": 12, "OUT01": 12, "OUT02": 14, "OUT03": 38,
    "OUT04": 38, "OUT05": 40, "OUT06": 38, "OUT07": 38, "OUT08": 40, "OUT09": 38, "OUT10": 38, "OUT11": 42,
}  # fmt: skip
"""Weights of SD 1.x's U-Net by block, counted from published checkpoints."""


def test_every_weight_has_its_block() -> None:
    made = family("sd1")
    keys = made.denoiser.outline(made.configs["unet"]).state_dict()
    origins = made.origins("unet", keys, made.configs)
    assert Counter(made.block_of(origin.key) for origin in origins.values()) == GOLDEN
    assert tuple(GOLDEN) == made.facts.blocks


def test_a_layers_block_follows_from_its_name_alone() -> None:
    """As from its weight's name, for every layer of every family."""
    for name in families():
        made = family(name)
        part = made.denoiser.name
        for path, module in made.denoiser.outline(made.configs[part]).named_modules():
            if isinstance(module, nn.Linear | nn.Conv2d | nn.GroupNorm):
                key = made.origin(part, f"{path}.weight", made.configs).key
                assert made.block_of_layer(made.layer_name(part, path, made.configs)) == made.block_of(key)
        assert made.block_of_layer("lora_te_text_model_encoder_layers_0_mlp_fc1") is None
