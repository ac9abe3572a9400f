"""Checks for a stage that a person runs by hand, outside `dvc repro`: its inputs must exist, and it must not
write what DVC is writing.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pipeline.config.graph_file import DVC_YAML, stage_entries
from pipeline.errors import UserError

DVC_STAGE = "DVC_STAGE"
"""Variable that DVC sets for each command it runs."""
RWLOCK_FILE = Path(".dvc/tmp/rwlock")
"""DVC's notes on which of its processes reads and writes what."""


def is_by_hand() -> bool:
    """Whether no DVC has started this process."""
    return DVC_STAGE not in os.environ


def insist_on(*paths: Path) -> None:
    """Raises UserError for missing paths, with the stage that writes each."""
    if missing := [sentence for path in paths if not path.exists() and (sentence := missing_output(path))]:
        raise UserError(*missing)


def insist_on_free_folder(out: Path) -> None:
    """Raises UserError unless a stage run by hand may write to `out`: a folder that does not overlap with
    DVC's inputs and outputs, nor with git's folders.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a file; name a folder, which need not exist")
    place, root = out.resolve(), Path.cwd().resolve()
    if place == root:
        raise UserError(
            f"--out {out} is this project, where DVC's outputs are; name another folder, such as tries/a"
        )
    if place.is_relative_to(root) and DVC_YAML.exists() and (makers := _makers(place.relative_to(root))):
        raise UserError(
            f"--out {out} is in an output of the stage {makers[0]}; name another folder, such as tries/a"
        )
    for used in _used() if DVC_YAML.exists() else ():
        there = used.resolve()
        if (there.is_dir() and place.is_relative_to(there)) or there.is_relative_to(place):
            how = "contains" if there.is_relative_to(place) and there != place else "is, or is inside,"
            raise UserError(
                f"--out {out} {how} {used}, which stages read or write; name another folder, such as tries/a"
            )
    if place.is_relative_to(root) and _is_gits(first := place.relative_to(root).parts[0]):
        raise UserError(f"--out {out}: git tracks files in {first}; name another folder, such as tries/a")


def missing_output(path: str | Path) -> str | None:
    """A sentence on how to make a missing file that a stage writes; None for other files."""
    path = Path(path)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    makers = _makers(path) if DVC_YAML.exists() else []
    return f"{path} is missing; `dvc repro {makers[0]}` writes it" if makers else None


def refuse_while_dvc_runs() -> None:
    """Raises UserError if DVC runs here, because its outputs must not change meanwhile."""
    if running := sorted(set(_running())):
        raise UserError(
            f"DVC is running here ({'; '.join(running)}) and this stage would change its outputs; wait until"
            " it ends, or add `--out DIR` to write elsewhere"
        )


def _running() -> Iterator[str]:
    """DVC's processes at work in this repository, as `process 123: dvc repro`."""
    try:
        noted = json.loads(RWLOCK_FILE.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # DVC never ran here, or was killed while it wrote this
        return
    writers, readers = noted.get("write", {}).values(), noted.get("read", {}).values()
    for entry in [*writers, *(each for several in readers for each in several)]:
        if entry and _is_alive(entry["pid"]):
            yield f"process {entry['pid']}: {entry['cmd']}"


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def _used() -> Iterator[Path]:
    """All that the graph's stages read and write, by its path in the project."""
    for stage in stage_entries().values():
        yield from map(Path, [*stage.deps, *stage.outs])


def _is_gits(folder: str) -> bool:
    """Whether git tracks files in a folder of the project's root; without git, False."""
    if folder == ".git":
        return True
    try:
        listed = subprocess.run(["git", "ls-files", "--", folder], capture_output=True, check=False)
    except OSError:
        return False
    return bool(listed.stdout)


def _makers(path: Path) -> list[str]:
    """The stage that writes the path, if one does."""
    return [name for name, stage in stage_entries().items() if any(map(path.is_relative_to, stage.outs))]
