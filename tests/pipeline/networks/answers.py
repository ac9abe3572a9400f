"""What a base of any family answers to a fixed noise and text; networks on it; the same in diffusers."""

from pathlib import Path
from typing import Any

import diffusers
import torch
from torch import Tensor

from pipeline.bases.base import Base
from pipeline.bases.save import save_folder
from pipeline.bases.tokens import token_ids
from pipeline.networks.network import AdapterNetwork
from tests.pipeline.networks.examples import network_config


@torch.no_grad()
def answers(base: Base) -> dict[str, Tensor]:
    """The denoiser's, and what the text encoders give it."""
    conditioning = base.family.encode(base, token_ids(base.tokenizer, ["a cat"]), 1)
    conditioning = conditioning.sized(base.family.sizes(64, 64))
    x = torch.randn((1, base.latents.channels, 8, 8), generator=torch.Generator().manual_seed(0))
    sample = base.family.predict(base, x, torch.tensor([500]), conditioning)
    pooled = {} if conditioning.pooled is None else {"pooled": conditioning.pooled}
    return {"sample": sample, "tokens": conditioning.tokens, **pooled}


def change(after: dict[str, Tensor], before: dict[str, Tensor]) -> float:
    """The least relative change of any of the answers."""
    return min(float((after[key] - before[key]).norm() / before[key].norm()) for key in before)


def difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """The greatest relative difference of any of the answers."""
    return max(float((one[key] - other[key]).norm() / other[key].norm()) for key in other)


def with_network(network: AdapterNetwork, base: Base, weight: float = 1.0) -> dict[str, Tensor]:
    network.set_weight(weight)
    with network.attached(base):
        return answers(base)


def learned(base: Base, name: str = "lora", **changes: Any) -> AdapterNetwork:
    """A network on the base's own layers and its text encoders' with no weight at zero."""
    made = AdapterNetwork.create(network_config(name, **{"dim": 2, "alpha": 1.0, **changes}), base, seed=0)
    generator = torch.Generator().manual_seed(2)
    for parameter in made.parameters():
        parameter.data = parameter.data + 0.5 * torch.randn(parameter.shape, generator=generator)
    return made.eval()


def pipeline_of(base: Base, folder: Path) -> Any:
    """diffusers' own pipeline of the base, saved and read."""
    save_folder(base, folder, "fp32", {})
    made: Any = getattr(diffusers, base.family.facts.pipeline)
    absent = {name: None for name, kind in base.family.index_extras.items() if kind == [None, None]}
    return made.from_pretrained(folder, **absent)


def base_of(pipe: Any, base: Base) -> Base:
    """The pipeline's modules in place of the base's."""
    return Base(
        base.family, base.tokenizer, {part.name: getattr(pipe, part.name) for part in base.parts},
        base.configs,
    )  # fmt: skip
