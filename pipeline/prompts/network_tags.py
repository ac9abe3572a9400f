"""Networks that a prompt calls by name, in AUTOMATIC1111's grammar (modules/extra_networks.py,
extensions-builtin/Lora/extra_networks_lora.py). Without torch.

| written | means |
|---|---|
| `<lora:name>` | the network at weight 1; `lyco` means the same |
| `<lora:name:0.8>` | at weight 0.8 |
| `<lora:name:0.5:0.8>` | 0.5 in the text encoder, 0.8 in the U-Net; also `te=0.5`, `unet=0.8` |
| `<lora:name:1:lbw=OUTD>` | weights by block: a preset, 17 or 26 numbers (block_weights.py) |
| `<lora:name:1:mask=left.png>` | only where the mask is white; `channel=r` uses one channel of it |
| `<hypernet:name:0.6>` | a hypernetwork at weight 0.6 |
"""

import re
from dataclasses import dataclass

from pipeline.errors import UserError, nearest
from pipeline.number_text import NumberError, real_number
from pipeline.prompts.block_weights import BlockWeights, block_weights

TAG_KINDS = {"lora": "lora", "lyco": "lora", "hypernet": "hypernet"}
NAMED_ARGUMENTS = ("te", "unet", "lbw", "mask", "channel")
MOST_WEIGHT = 1e6
MASK_CHANNELS = ("r", "g", "b")
_TAG = re.compile(r"<(\w{1,40}+):([^>]{1,2000}+)>")
"""With length limits, so that a prompt of `<` takes time in proportion to its length."""


@dataclass(frozen=True)
class NetworkTag:
    """One call. `weight` is the text encoder's, `unet_weight` the U-Net's."""

    kind: str
    name: str
    weight: float
    unet_weight: float
    blocks: BlockWeights | None = None
    mask: str | None = None
    channel: str | None = None


def split_tags(prompt: str) -> tuple[str, tuple[NetworkTag, ...]]:
    """The prompt without its tags, and the tags. Raises UserError for an unreadable tag."""
    tags = tuple(_tag(match) for match in _TAG.finditer(prompt))
    return _TAG.sub("", prompt), tags


def insist_on_none(negative_prompt: str) -> None:
    """Raises UserError for a network in a negative prompt."""
    if split_tags(negative_prompt)[1]:
        raise UserError("the negative prompt calls a network; networks are called in the prompt")


def _tag(match: re.Match[str]) -> NetworkTag:
    kind, parts = match[1], match[2].split(":")
    if kind not in TAG_KINDS:
        raise UserError(f"{match[0]}: {kind!r} is not a kind of network; {nearest(kind, TAG_KINDS)}")
    named = dict(part.split("=", 1) for part in parts if "=" in part)
    name, *numbers = (part.strip() for part in parts if "=" not in part)
    if unknown := sorted(named.keys() - set(NAMED_ARGUMENTS)):
        raise UserError(f"{match[0]}: unknown {unknown[0]}=; {nearest(unknown[0], NAMED_ARGUMENTS)}")
    if len(numbers) > 2 or (TAG_KINDS[kind] == "hypernet" and (named or len(numbers) > 1)):
        raise UserError(f"{match[0]} has too many values; write <{kind}:name:weight>")
    if named.get("channel", "r") not in MASK_CHANNELS:
        raise UserError(f"{match[0]}: channel= must be one of {', '.join(MASK_CHANNELS)}")
    try:
        weight = _weight(named.get("te", numbers[0] if numbers else "1"))
        unet_text = named.get("unet", numbers[1] if len(numbers) > 1 else None)
        unet = weight if unet_text is None else _weight(unet_text)
    except NumberError as error:
        raise UserError(f"{match[0][:80]}: {error}; a weight must be a finite number") from None
    blocks = block_weights(named["lbw"]) if "lbw" in named else None
    return NetworkTag(TAG_KINDS[kind], name, weight, unet, blocks, named.get("mask"), named.get("channel"))


def _weight(text: str) -> float:
    return real_number(text.strip(), -MOST_WEIGHT, MOST_WEIGHT)
