"""The stages of dvc.yaml: which `dvc repro` would run now, and why."""

import json
import subprocess
from collections.abc import Mapping
from threading import Lock
from typing import Any

from pipeline.config.graph_file import StageEntry, meet, stage_entries
from pipeline.errors import UserError
from pipeline.workbench.runs.commands import STATUS

STATUS_S = 300
MOST_REASONS = 12


class Planned:
    """Asks DVC in a process of its own, one question at a time."""

    def __init__(self) -> None:
        self.lock = Lock()

    def shown(self, is_running: bool) -> dict[str, Any]:
        """Each stage with its state: `changed` runs, `follows` runs if what it reads comes out otherwise.
        While a run goes on DVC's lock is taken: then the names alone.
        """
        entries, said, why = stage_entries(), dict[str, Any](), ""
        if is_running:
            why = "known again when this run has ended"
        else:
            try:
                with self.lock:
                    said = status()
            except UserError as error:
                why = "\n".join(error.problems)
        below, rest = followers(entries, set(said)), "unknown" if why else "same"
        rows = [
            {"name": name, "state": "changed" if name in said else "follows" if name in below else rest,
             "reasons": reasons(said.get(name, []))}
            for name in entries
        ]  # fmt: skip
        return {"stages": rows, "why": why}


def status() -> dict[str, Any]:
    try:
        ended = subprocess.run(
            STATUS, capture_output=True, text=True, check=False, timeout=STATUS_S, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"`dvc status` took longer than {STATUS_S} s; type it in a terminal") from None
    if ended.returncode:
        raise UserError(f"`dvc status`: {ended.stderr.strip()[-2000:]}")
    found = json.loads(ended.stdout or "{}")
    return found if isinstance(found, dict) else {}


def followers(entries: Mapping[str, StageEntry], changed: set[str]) -> set[str]:
    """Stages that read, directly or not, what a changed one writes."""
    found, fresh = set[str](), set(changed)
    while fresh:
        outs = {out for name in fresh if name in entries for out in entries[name].outs}
        fresh = {
            name
            for name, entry in entries.items()
            if name not in found | changed and any(meet(dep, out) for dep in entry.deps for out in outs)
        }
        found |= fresh
    return found


def reasons(said: Any) -> list[str]:
    """DVC's reasons as lines: `data/cropped: modified`."""
    lines = list[str]()
    for each in said if isinstance(said, list) else []:
        if not isinstance(each, dict):
            lines.append(str(each))
            continue
        for kind, paths in each.items():
            lines += _lines(str(kind), paths)
    more = len(lines) - MOST_REASONS
    return lines[:MOST_REASONS] + ([f"and {more} more"] if more > 0 else [])


def _lines(kind: str, paths: Any) -> list[str]:
    mark = " (output)" if "outs" in kind else ""
    if not isinstance(paths, dict):
        return [f"{kind}: {paths}"]
    return [
        f"{path}{mark}: {how if isinstance(how, str) else ', '.join(map(str, how))}"
        for path, how in paths.items()
    ]
