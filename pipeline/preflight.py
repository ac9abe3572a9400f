"""Everything that later stages would stop at, before the first one runs: models, sources, pictures."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.bases.look import look
from pipeline.bases.registry import titles
from pipeline.captions.layouts import network_file
from pipeline.config.lock import WHERE_FROM, hub_models
from pipeline.errors import UserError
from pipeline.files.hub_names import is_cached, refusal

SIGNS = ("model_index.json", "selected_tags.csv", "tag_mapping.json", "config.json")
"""Small files, one of which every model on the hub has."""
ROOT = Path(__file__).parents[1]


def model_problems(values: dict[str, Any]) -> list[str]:
    """What is wrong with the content of the base and the taggers, as far as a look tells, and with what the
    hub must give.
    """
    taggers = values["tag"]["model"]
    names = taggers if isinstance(taggers, list) else [taggers]
    return [
        *_base_problems(Path(values["base"]["path"])),
        *(problem for name in names if name for problem in _tagger_problems(Path(name))),
        *_hub_problems(values),
    ]


def _base_problems(path: Path) -> Iterator[str]:
    try:
        found = look(path)
    except UserError as error:
        yield from (f"{problem}; {WHERE_FROM['base.path']}" for problem in error.problems)
        return
    if found and not found.trainable:
        yield f"base.path {path} is {found.title}; this pipeline trains {titles()}: choose such a base"


def _tagger_problems(path: Path) -> Iterator[str]:
    if path.is_dir() and len(list(path.glob("*.pt"))) != 1:
        try:
            network_file(path)
        except UserError as error:
            yield f"{error}; {WHERE_FROM['tag.model']}"


def _hub_problems(values: dict[str, Any]) -> Iterator[str]:
    for key, name in hub_models(values):
        if is_cached(name, SIGNS) or not (reason := refusal(name, SIGNS)):
            continue
        yield (
            f"{key} {name} is not in the hub's cache, and {reason}; connect to the network once, or put the"
            f" model here and set {key} to its place"
        )


def picture_problems() -> list[str]:
    """What `collect` would stop at, with the settings of now."""
    with TemporaryDirectory() as folder:
        ended = run_collect((), Path(folder) / "records.jsonl", capture=True)
    lines = (ended.stderr or "").splitlines()
    return [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]


def run_collect(
    overrides: tuple[str, ...], file: Path, capture: bool = False
) -> subprocess.CompletedProcess[str]:
    """Has the stage `collect` write its records into the file, and nothing else."""
    command = [sys.executable, "-m", "stages.collect", *overrides, "--records", str(file)]
    search = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": search}
    return subprocess.run(
        command, env=environment, stderr=subprocess.PIPE if capture else None, text=True, check=False
    )
