"""Which of the preset's values and options params.yaml overrides."""

from collections.abc import Iterator

from pipeline.config.compose import EXPERIMENT, Params
from pipeline.config.explain import of_preset, option_of_preset, preset_file


def beaten(params: Params) -> list[str]:
    """One sentence that lists the lines of params.yaml that override the preset; empty if there are none."""
    lines = [*_options(params), *_values(params)]
    if not lines:
        return []
    return [
        f"params.yaml overrides the preset {params.use[EXPERIMENT]}: {', '.join(lines)}; delete these lines"
        " to use the preset's values"
    ]


def _options(params: Params) -> Iterator[str]:
    for group, option in sorted(params.use.items()):
        preset = option_of_preset(group, params)
        if preset and preset != option:
            yield f"use.{group} {option} (preset: {preset})"


def _values(params: Params) -> Iterator[str]:
    preset = of_preset(preset_file(params))
    for key, value in sorted(params.values.items()):
        if key in preset and preset[key] != value:
            yield f"{key} {value} (preset: {preset[key]})"
