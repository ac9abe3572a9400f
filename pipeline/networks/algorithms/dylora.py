"""DyLoRA (Valipour et al. 2022, arXiv 2210.07558): one training, many ranks.

Each step draws a rank b, a multiple of `unit`, for the whole network, and trains the first b ranks alone:

    W x + (alpha / b) B[:, :b] A[:b] x

so the first ranks learn what matters most. The network cut at rank b, with the same alpha, is a plain LoRA
file of dim b that acts exactly as in training: loaders also scale by alpha / b. (LyCORIS trains with another
factor than loaders apply, so its files act more weakly than trained.)
"""

from collections.abc import Iterable
from random import Random

from torch import Tensor, nn

from pipeline.networks.adapter import Adapter, Adapters
from pipeline.networks.algorithms.lora import Lora
from pipeline.networks.trained import CompanionFile
from pipeline.schemas import AdapterNetworkConfig


class Dylora(Lora):
    """LoRA that uses `rank` of its ranks: all, unless a training step draws fewer."""

    def __init__(self, target: nn.Module, dim: int, alpha: float) -> None:
        super().__init__(target, dim, alpha)
        self.dim = self.rank = dim
        self._alpha = alpha

    @classmethod
    def begin_step(cls, adapters: Iterable[Adapter], settings: AdapterNetworkConfig, seed: int) -> None:
        """Draws the whole network's rank for this step."""
        cut_all(adapters, Random(seed).choice(ranks(settings.dim, settings.unit)))

    @classmethod
    def companion_files(cls, adapters: Adapters, settings: AdapterNetworkConfig) -> dict[str, CompanionFile]:
        """A file for each lower rank; the whole network is that of the highest."""
        return {
            f"-rank{rank}": CompanionFile(cut_weights(adapters, rank), {"ss_network_dim": str(rank)})
            for rank in ranks(settings.dim, settings.unit)[:-1]
        }

    def cut(self, rank: int) -> None:
        """From now on only the first `rank` ranks act, at the scale of a file of this dim."""
        self.rank = min(rank, self.dim)
        self.scale = self._alpha / self.rank

    def update(self, x: Tensor) -> Tensor:
        down, up = self.lora_down.weight[: self.rank], self.lora_up.weight[:, : self.rank]
        hidden = self.dropped(self.applied(x, down)) * (self.network_weight * self.scale)
        return nn.functional.linear(hidden, up) if up.dim() == 2 else nn.functional.conv2d(hidden, up)

    def change(self) -> Tensor:
        up, down = self.lora_up.weight[:, : self.rank], self.lora_down.weight[: self.rank]
        return ((up.flatten(1) * self.scale) @ down.flatten(1)).reshape(self.layer.weight.shape)

    def cut_weights(self, rank: int) -> dict[str, Tensor]:
        """The first `rank` ranks, by leaf."""
        weights = {key: value.detach() for key, value in self.state_dict().items()}
        return weights | {
            "lora_down.weight": weights["lora_down.weight"][:rank],
            "lora_up.weight": weights["lora_up.weight"][:, :rank],
        }


def cut_all(adapters: Iterable[Adapter], rank: int) -> None:
    """From now on only the first `rank` ranks of the whole network act."""
    for adapter in adapters:
        assert isinstance(adapter, Dylora)
        adapter.cut(rank)


def cut_weights(adapters: Adapters, rank: int) -> dict[str, Tensor]:
    """The content of a file with the first `rank` ranks."""
    return {
        f"{name}.{key}": value
        for name, adapter in adapters.items()
        if isinstance(adapter, Dylora)
        for key, value in adapter.cut_weights(rank).items()
    }


def ranks(dim: int, unit: int) -> list[int]:
    """The ranks that a training yields: 16 by 4 gives 4, 8, 12 and 16."""
    return list(range(unit, dim + 1, unit))
