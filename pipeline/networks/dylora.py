"""DyLoRA (Valipour et al. 2022, arXiv 2210.07558): one training, many ranks.

Each step draws a rank b, a multiple of `unit`, for the whole network, and trains the first b ranks alone:

    W x + (alpha / b) B[:, :b] A[:b] x

so the first ranks learn what matters most. The network cut at rank b, with the same alpha, is a plain LoRA
file of dim b that acts exactly as it did in training: loaders scale by alpha / b as well. (LyCORIS trains
with another factor than loaders apply, so that its files act more weakly than trained.)
"""

from torch import Tensor, nn

from pipeline.networks.lora import Lora


class Dylora(Lora):
    """LoRA of which `rank` ranks are in use: all, unless a step of training draws fewer."""

    def __init__(self, target: nn.Module, dim: int, alpha: float) -> None:
        super().__init__(target, dim, alpha)
        self.dim = self.rank = dim
        self._alpha = alpha

    def cut(self, rank: int) -> None:
        """From now on the first `rank` ranks act, at the strength that a file of this dim has."""
        self.rank = min(rank, self.dim)
        self.scale = self._alpha / self.rank

    def update(self, x: Tensor) -> Tensor:
        down, up = self.lora_down.weight[: self.rank], self.lora_up.weight[:, : self.rank]
        hidden = self.dropped(self.applied(x, down))
        change = nn.functional.linear(hidden, up) if up.dim() == 2 else nn.functional.conv2d(hidden, up)
        return change * (self.multiplier * self.scale)

    def change(self) -> Tensor:
        up, down = self.lora_up.weight[:, : self.rank], self.lora_down.weight[: self.rank]
        return (up.flatten(1) @ down.flatten(1) * self.scale).reshape(self.layer.weight.shape)

    def cut_weights(self, rank: int) -> dict[str, Tensor]:
        """What a file of the first `rank` ranks holds."""
        weights = {key: value.detach() for key, value in self.state_dict().items()}
        return weights | {
            "lora_down.weight": weights["lora_down.weight"][:rank],
            "lora_up.weight": weights["lora_up.weight"][:, :rank],
        }


def ranks(dim: int, unit: int) -> list[int]:
    """Those that a training yields: 16 by 4 gives 4, 8, 12 and 16."""
    return list(range(unit, dim + 1, unit))
