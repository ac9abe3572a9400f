"""A merge sweep: what the axes of a grid vary in a recipe. Torch is loaded only to merge."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pipeline.config.ranges import RangeValues, reals, texts
from pipeline.config.recipes import RecipeContent, parse, varied
from pipeline.errors import UserError
from pipeline.merging.presets import preset
from pipeline.number_text import is_index

if TYPE_CHECKING:
    from pipeline.merging.in_memory import Merges

Variation = tuple[tuple[str, Any], ...]
"""(name behind `merge_` of an axis, its value), sorted by name; empty: the recipe unchanged."""
CURVE_BLOCKS = 25
"""Any number, to see whether a name is a preset's."""
FEWEST_NUMBERS = 3
"""Of a list, with a number for each block; the merge compares it with its checkpoints."""
WEIGHTS_OF_METHOD = {"bake": ("strength",), "triple_sum": ("alpha", "beta"), "sum_twice": ("alpha", "beta")}
"""Weights of a step by its method; `alpha` for all others."""


def block_curves(values: RangeValues) -> list[str]:
    """Presets' names, and lists of numbers as text. Raises UserError."""
    curves = texts(values)
    for text in curves:
        if text[0].isalpha():
            preset(text, CURVE_BLOCKS)
        elif len(_numbers(text)) < FEWEST_NUMBERS:
            raise UserError(
                f"{text!r} has {len(_numbers(text))} numbers; write 25 (SDXL: 19, SD 3: 26 or 40) in quotes,"
                " one for each block, or one more with the text encoder's first, or a preset's name"
            )
    return curves


def _numbers(text: str) -> list[float]:
    return [number for part in text.split(",") for number in reals(part)]


@dataclass(frozen=True)
class Sweep:
    """A recipe, and the step that the axes vary: `merge`, or `merge.a` for an inner step."""

    content: RecipeContent
    step: str
    _identities: dict[Variation, str] = field(default_factory=dict, compare=False)

    @cached_property
    def merges(self) -> "Merges":
        """The inputs, opened, hashed and checked; only used if a cell is merged."""
        from pipeline.merging.in_memory import Merges

        return Merges(self.content, "sample_grid.merge")

    def identity(self, variation: Variation) -> str:
        """The varied recipe, locked: everything its result depends on."""
        if variation not in self._identities:
            self._identities[variation] = self.merges.identity(self.overrides(variation))
        return self._identities[variation]

    def overrides(self, variation: Variation) -> dict[str, Any]:
        """Changes by dotted key of the recipe. Raises UserError if the step does not have such a key."""
        values = dict(variation)
        ratios = self._ratios() if values else ()
        if "beta" in values and "beta" not in ratios:
            raise UserError(
                f"sample_grid.merge_step {self.step}: this step has no beta; name another step, or"
                " remove the axis merge_beta"
            )
        changes: dict[str, Any] = {}
        for name, value in values.items():
            if name == "beta":
                changes[f"{self.step}.beta.blocks"] = value
            else:
                key = "base_alpha" if name == "base_alpha" else "blocks"
                is_list = name == "blocks" and not value[0].isalpha()
                changes[f"{self.step}.{ratios[0]}.{key}"] = _numbers(value) if is_list else value
        return changes

    def check(self, variation: Variation) -> None:
        """Raises UserError if the recipe cannot be varied so."""
        parse(varied(self.content, self.overrides(variation)), "sample_grid.merge")

    def _ratios(self) -> tuple[str, ...]:
        here: Any = self.content
        for key in self.step.split("."):
            is_entry = isinstance(here, list) and is_index(key) and int(key) < len(here)
            here = here[int(key)] if is_entry else here.get(key) if isinstance(here, Mapping) else None
        method = here.get("method") if isinstance(here, Mapping) else None
        if method is None or method == "replace_vae":
            raise UserError(
                f"sample_grid.merge_step {self.step}: the recipe has no step with weights there; name"
                " one, such as `merge`, `merge.a` or `merge.model`"
            )
        return WEIGHTS_OF_METHOD.get(method, ("alpha",))
