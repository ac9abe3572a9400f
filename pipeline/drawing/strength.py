"""How strongly a network acts, as a whole and by block."""

from pipeline.bases.base import Base
from pipeline.bases.layers import changeable_layers
from pipeline.errors import UserError
from pipeline.networks.network import Network
from pipeline.networks.trained import Trained
from pipeline.prompts.block_weights import PLACES, BlockWeights

TEXT_ENCODER = PLACES[0]


def set_strength(
    network: Trained,
    base: Base,
    weight: float,
    blocks: BlockWeights | None = None,
    unet_weight: float | None = None,
) -> None:
    """`weight` times each block's factor, the text encoder's being BASE; `unet_weight` is the U-Net's own,
    where that differs.
    """
    network.set_multiplier(weight if unet_weight is None else unet_weight)
    if blocks is None and unet_weight in (None, weight):
        return
    if not isinstance(network, Network):
        raise UserError("weights by block or part are for LoRA and its kin; other networks have one weight")
    layers = changeable_layers(base)
    for name, adapter in network.adapters():
        place = layers[name].block or TEXT_ENCODER
        whole = weight if place == TEXT_ENCODER or unet_weight is None else unet_weight
        adapter.multiplier = whole * (blocks.factor(place) if blocks else 1.0)
