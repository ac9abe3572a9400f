"""How strongly a network acts, as a whole and by block."""

from pipeline.base.blocks import block_of
from pipeline.base.load import BaseModel
from pipeline.errors import UserError
from pipeline.networks.network import Network
from pipeline.networks.targets import unet_paths
from pipeline.networks.trained import Trained
from pipeline.sampling.block_weights import PLACES, BlockWeights

TEXT_ENCODER = PLACES[0]


def set_strength(network: Trained, base: BaseModel, weight: float, blocks: BlockWeights | None) -> None:
    """`weight` times each block's factor; the text encoder's is BASE."""
    network.set_multiplier(weight)
    if blocks is None:
        return
    if not isinstance(network, Network):
        raise UserError("block weights are for LoRA and its kin; an embedding or hypernetwork has no blocks")
    paths = unet_paths(base.unet)
    for name, adapter in network.adapters():
        place = block_of(f"{paths[name]}.") if name in paths else TEXT_ENCODER
        adapter.multiplier = weight * blocks.factor(place)
