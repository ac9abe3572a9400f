"""Recognises the family of bases that a network's file is for, by its header, its modules' names and their
widths.
"""

from collections.abc import Collection, Mapping
from typing import Protocol

from pipeline.bases.base import Base
from pipeline.bases.facts import FamilyFacts
from pipeline.bases.family import Family
from pipeline.bases.parts import UNET
from pipeline.bases.registry import families, family, family_named
from pipeline.networks.module_names import is_mmdit, is_xl

READS_TOKENS = "attn2_to_k"
"""End of the names of layers that read the text encoders' states."""
INPUT_SIDE_LEAVES = ("lora_down.weight", "hada_w1_b")
"""Leaves [dim, width of the layer's input]."""


def stamped_architecture(base: Base) -> str:
    """modelspec.architecture of the base, by its family and what it predicts."""
    return base.family.stamp(base.configs)[0]


class Shaped(Protocol):
    @property
    def shape(self) -> Collection[int]: ...


Modules = Mapping[str, Mapping[str, Shaped]]
"""{module: {leaf: tensor}}, by sd-scripts' names."""


def family_of_network(modules: Modules, metadata: Mapping[str, str]) -> Family | None:
    """None if nothing distinguishes SD 1.x from another family with the same names."""
    facts = family_named(metadata) or _by_names(modules)
    return family(facts.name) if facts else None


def _by_names(modules: Modules) -> FamilyFacts | None:
    """The family with all the modules in its parts; if several fit, the one with tokens of the modules'
    width.
    """
    fitting = [facts for facts in families().values() if _fits(family(facts.name), modules)]
    if is_xl(modules) and not is_mmdit(modules):
        fitting = [facts for facts in fitting if len(facts.text_encoders) > 1 and facts.denoiser == UNET.name]
    if len(fitting) < 2:
        return next(iter(fitting), None)
    width = _token_width(modules)
    return next((facts for facts in fitting if sum(_widths(family(facts.name))) == width), None)


def _fits(made: Family, modules: Modules) -> bool:
    prefixes = tuple(str(part.layer_prefix) for part in made.trained_parts)
    return all(name.startswith(prefixes) for name in modules)


def _widths(made: Family) -> list[int]:
    return made.token_widths(made.configs)


def _token_width(modules: Modules) -> int | None:
    for name, weights in modules.items():
        if name.endswith(READS_TOKENS):
            for leaf in INPUT_SIDE_LEAVES:
                if leaf in weights and len(weights[leaf].shape) > 1:
                    return list(weights[leaf].shape)[1]
    return None
