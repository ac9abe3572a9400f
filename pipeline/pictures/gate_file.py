""".athanor/workbench/gate.json: every fault that the last `collect` found, also when it stopped on them.

Written for the workbench; no stage reads it, and losing it loses nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.files.atomic import write_json

if TYPE_CHECKING:  # OpenCV, which who only reads the file does not need
    from pipeline.pictures.gate import Outcome
    from pipeline.pictures.waivers import Waivers

GATE_FILE = Path(".athanor/workbench/gate.json")


def write_gate(outcome: "Outcome", waivers: "Waivers", problems: Iterable[str]) -> None:
    """`problems`: what stops the stage, in the words of the terminal."""
    rulings = [
        {**asdict(ruling.fault), "verdict": ruling.verdict, "reason": ruling.reason}
        for ruling in outcome.rulings
    ]
    shown = {rule[name] for rule in rulings for name in ("id", "other")} - {None}
    value = {
        "faults": rulings,
        "pictures": dict(_paths(outcome, shown)),
        "problems": list(problems),
        "unused_waivers": [list(line) for line in waivers.unused],
    }
    write_json(GATE_FILE, value)


def _paths(outcome: "Outcome", shown: set[Any]) -> Iterator[tuple[str, str]]:
    """The files of the pictures with these ids."""
    for picture in outcome.pictures if shown else ():
        if picture.id in shown:
            yield picture.id, str(picture.path)
