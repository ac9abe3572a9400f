"""Which values and options of the presets params.yaml overrides."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.config.compose import Params
from pipeline.config.explain import of_preset, options_of_preset, preset_files


def beaten(params: Params) -> list[str]:
    """A sentence for each preset that lists the lines of params.yaml that override it; empty if there are
    none.
    """
    lines = {path.stem: [*_options(path, params), *_values(path, params)] for path in preset_files(params)}
    return [
        f"params.yaml overrides the preset {name}: {', '.join(found)}; delete these lines to use the preset's"
        " values"
        for name, found in lines.items()
        if found
    ]


def _options(path: Path, params: Params) -> Iterator[str]:
    preset = options_of_preset(path)
    for group, option in sorted(params.use.items()):
        if group in preset and preset[group] != option:
            yield f"use.{group} {option} (preset: {preset[group]})"


def _values(path: Path, params: Params) -> Iterator[str]:
    preset = of_preset(path)
    for key, value in sorted(params.values.items()):
        if key in preset and preset[key] != value:
            yield f"{key} {value} (preset: {preset[key]})"
