"""A step's weights by name, by list and by pattern, on names alone."""

from typing import Any

import pytest

from pipeline.bases.mmdit_blocks import blocks_of_depth
from pipeline.bases.unet_blocks import block_names
from pipeline.errors import UserError
from pipeline.merging.weights import blocks_of, weight_of
from pipeline.schemas.recipe import Weights

SD1, XL = block_names(12), block_names(9)
UNET = "model.diffusion_model."
TEXT = "cond_stage_model.transformer.text_model.final_layer_norm.bias"


def by_block(setting: Any, blocks: tuple[str, ...] = SD1) -> dict[str, float]:
    """The weights that are not 0."""
    weight = weight_of(setting, blocks, "merge.alpha")
    half = len(blocks) // 2
    names = [f"{UNET}input_blocks.{n}.0.x" for n in range(half)] + [f"{UNET}middle_block.0.x"]
    names += [f"{UNET}output_blocks.{n}.0.x" for n in range(half)]
    return {block: weight(name) for block, name in zip(blocks, names, strict=True) if weight(name)}


def test_blocks_by_name_of_which_the_narrower_wins() -> None:
    named = {"M00": 1.0, "OUT": 0.5, "OUT02-OUT04": 0.25, "OUT03": 0.0, "IN11": 0.75}
    expected = {"IN11": 0.75, "M00": 1.0, **{f"OUT{n:02}": 0.5 for n in range(12)}}
    expected |= {"OUT02": 0.25, "OUT04": 0.25}
    del expected["OUT03"]
    assert by_block(Weights(blocks=named)) == expected
    assert by_block(Weights(blocks=dict(reversed(named.items())))) == expected
    assert by_block(Weights(blocks={"IN": 1.0}), XL) == {f"IN{n:02}": 1.0 for n in range(9)}
    assert weight_of(Weights(blocks=named, base_alpha=0.3), SD1, "merge.alpha")(TEXT) == 0.3


@pytest.mark.parametrize("name", ["IN12", "MID", "IN03-IN99", "OUT03-"])
def test_an_unknown_block_is_told(name: str) -> None:
    with pytest.raises(
        UserError, match=r"merge\.alpha\.blocks: .* is not a block of this family \(IN00 \.\.\. OUT11"
    ):
        weight_of(Weights(blocks={name: 1.0}), SD1, "merge.alpha")


def test_an_unknown_block_of_a_base_of_few_blocks_is_told() -> None:
    few = blocks_of_depth(range(3))
    with pytest.raises(
        UserError, match=r"'J37' is not a block of this family \(IN00 \.\.\. OUT00, .* OUT00-OUT00"
    ):
        weight_of(Weights(blocks={"J37": 1.0}), few, "merge.alpha")


def test_every_tensor_of_a_transformer_with_a_block_far_away_has_a_weight() -> None:
    names = ["joint_blocks.0.context_block.attn.qkv.weight", "joint_blocks.999.x", "joint_blocks.99999.x"]
    found = blocks_of(f"model.diffusion_model.{name}" for name in names)
    assert found is not None
    weight = weight_of(Weights(blocks={"J999": 1.0}), found, "merge.alpha")
    assert [weight(f"model.diffusion_model.{name}") for name in names] == [0, 1, 0]


@pytest.mark.parametrize("turned", [False, True])
def test_of_patterns_that_fit_the_longest_wins_whatever_their_order(turned: bool) -> None:
    keys = {r"attn": 0.1, r"attn2\.to_k": 0.3, r"attn2": 0.2}
    keys = dict(reversed(keys.items())) if turned else keys
    weight = weight_of(Weights(blocks=0.5, keys=keys), SD1, "merge.alpha")
    places = ("attn1.to_k", "attn2.to_v", "attn2.to_k", "ff.net.2")
    assert [weight(f"{UNET}middle_block.1.{place}.weight") for place in places] == [0.1, 0.2, 0.3, 0.5]


def test_the_number_before_a_list_is_the_text_encoders() -> None:
    assert weight_of([0.9, *[0.1] * 25], SD1, "merge.alpha")(TEXT) == 0.9
    assert weight_of([0.1] * 25, SD1, "merge.alpha")(TEXT) == 0
    assert weight_of("GRAD_V", SD1, "merge.alpha")(TEXT) == 0
    assert weight_of(0.4, SD1, "merge.alpha")(TEXT) == 0.4
    with pytest.raises(UserError, match="give one of them"):
        weight_of(Weights(blocks=[0.1] * 26, base_alpha=0.5), SD1, "merge.alpha")


def test_time_embedding_counts_to_the_first_block_or_the_text_encoder() -> None:
    for name in (f"{UNET}time_embed.0.weight", f"{UNET}label_emb.0.0.weight"):
        first = Weights(blocks={"IN00": 0.7}, base_alpha=0.2)
        base = Weights(blocks={"IN00": 0.7}, base_alpha=0.2, time="base")
        assert weight_of(first, SD1, "merge.alpha")(name) == 0.7
        assert weight_of(base, SD1, "merge.alpha")(name) == 0.2
