import pytest

from pipeline.bases.unet_blocks import block_names
from pipeline.errors import UserError
from pipeline.prompts.network_tags import NetworkTag, split_tags


def tag(text: str) -> NetworkTag:
    rest, (found,) = split_tags(text)
    assert rest == ""
    return found


@pytest.mark.parametrize(
    ("text", "weight", "unet_weight"),
    [
        ("<lora:zib>", 1, 1),
        ("<lora:zib:0.8>", 0.8, 0.8),
        ("<lyco:zib:-0.5>", -0.5, -0.5),
        ("<lora:zib:0.5:0.8>", 0.5, 0.8),
        ("<lora:zib:te=0.5:unet=0.8>", 0.5, 0.8),
        ("<lora:zib:1:unet=0.8>", 1, 0.8),
        ("<lora: zib : 0.8 >", 0.8, 0.8),
    ],
)
def test_weights_by_hand(text: str, weight: float, unet_weight: float) -> None:
    assert tag(text) == NetworkTag("lora", "zib", weight, unet_weight)


def test_tags_leave_the_prompt_and_keep_their_order() -> None:
    prompt, tags = split_tags("a <lora:x:1>cat<hypernet:y:0.5>, 1 < 2 > 0")
    assert prompt == "a cat, 1 < 2 > 0"
    assert [(found.kind, found.name, found.weight) for found in tags] == [
        ("lora", "x", 1.0),
        ("hypernet", "y", 0.5),
    ]


def test_block_weights_and_masks() -> None:
    found = tag("<lora:x:1:lbw=INS:mask=left.png:channel=r>")
    assert found.blocks is not None
    factors = found.blocks.on(block_names(12))
    assert (factors["IN01"], factors["OUT05"]) == (1.0, 0.0)
    assert (found.mask, found.channel) == ("left.png", "r")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<lara:x:1>", "'lara' is not a kind of network; did you mean lora"),
        ("<lora:x:much>", "a weight must be a finite number"),
        ("<lora:x:1:2:3>", "too many values"),
        ("<hypernet:x:1:2>", "too many values"),
        ("<hypernet:x:1:lbw=ALL>", "too many values"),
        ("<lora:x:1:ubet=2>", "unknown ubet=; did you mean unet"),
        ("<lora:x:1:channel=a>", "channel= must be"),
        ("<lora:x:1:lbw=OUTT>", "not a set of block weights"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        split_tags(text)
