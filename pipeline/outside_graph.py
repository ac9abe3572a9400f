"""A stage that a person runs by hand, outside `dvc repro`: what it needs must be there, and it must not write
what DVC is writing.
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
RWLOCK = Path(".dvc/tmp/rwlock")
"""Where DVC notes which of its processes reads and writes what."""


def is_by_hand() -> bool:
    """Whether no DVC has started this process."""
    return DVC_STAGE not in os.environ


def insist_on(*paths: Path) -> None:
    """What is not there is a user error that names the stage that writes it."""
    if missing := [sentence for path in paths if not path.exists() and (sentence := missing_output(path))]:
        raise UserError(*missing)


def insist_on_free_folder(out: Path) -> None:
    """Where a stage shall write by hand must be a folder, none that holds or lies in an input or output of
    DVC's, and none of git's.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a file; name a folder, which need not be there")
    place, root = out.resolve(), Path.cwd().resolve()
    if place == root:
        raise UserError(
            f"--out {out} is this project, whose outputs are DVC's; name another folder, as tries/a"
        )
    if place.is_relative_to(root) and DVC_YAML.exists() and (makers := _makers(place.relative_to(root))):
        raise UserError(
            f"--out {out} lies in an output of the stage {makers[0]}; name another folder, as tries/a"
        )
    for used in _used() if DVC_YAML.exists() else ():
        there = used.resolve()
        if (there.is_dir() and place.is_relative_to(there)) or there.is_relative_to(place):
            how = "holds" if there.is_relative_to(place) and there != place else "is or lies in"
            raise UserError(
                f"--out {out} {how} {used}, which stages read or write; name another folder, as tries/a"
            )
    if place.is_relative_to(root) and _is_gits(first := place.relative_to(root).parts[0]):
        raise UserError(f"--out {out}: {first} is a folder of this project's git; name another, as tries/a")


def missing_output(path: str | Path) -> str | None:
    """What to do about a missing file that a stage writes; None for any other."""
    path = Path(path)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    makers = _makers(path) if DVC_YAML.exists() else []
    return f"{path} is missing; `dvc repro {makers[0]}` writes it" if makers else None


def refuse_while_dvc_runs() -> None:
    """Outputs of DVC's that change under it are a user error, before anything is written."""
    if running := sorted(set(_running())):
        raise UserError(
            f"DVC is running here ({'; '.join(running)}) and this stage would change its outputs; wait until"
            " it ends, or add `--out DIR` to write elsewhere"
        )


def _running() -> Iterator[str]:
    """DVC's processes at work in this repository, as `process 123: dvc repro`."""
    try:
        noted = json.loads(RWLOCK.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # never run here, or killed while it wrote this
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
    """Whether git keeps files of a folder in the project's root; where there is no git, it keeps none."""
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
