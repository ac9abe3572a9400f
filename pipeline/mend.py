"""`python -m pipeline.mend`: repairs the project after DVC was killed.

DVC writes `.dvc/tmp/rwlock` in place. A kill at that moment leaves it empty, and every later `dvc repro` ends
with "JSON structure is corrupted". It holds the locks of running DVCs, so it can go when none runs.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from pipeline.command import run
from pipeline.config.graph_file import DVC_LOCK
from pipeline.errors import UserError, warn
from pipeline.files.locks import locked_now
from pipeline.files.yaml_text import parse_yaml

DVC_TMP = Path(".dvc/tmp")
RWLOCK_NAME = "rwlock"
GUARDS = ("lock", "rwlock.lock")
"""DVC holds the first while it reads the graph, the second while it writes the rwlock."""


def mend(root: Path = Path()) -> None:
    """Removes a damaged rwlock if no DVC runs. Raises UserError for a damaged dvc.lock, which git can
    restore.
    """
    if is_damaged(root / DVC_TMP / RWLOCK_NAME):
        with ExitStack() as held:
            free = [held.enter_context(locked_now(root / DVC_TMP / name)) for name in GUARDS]
            running = sorted(running_dvcs(root))
            if not all(free) or running:
                raise UserError(
                    f"{root / DVC_TMP / RWLOCK_NAME} is damaged, and DVC is running"
                    f" (process {', '.join(map(str, running)) or 'unknown'}); wait until it ends, then"
                    " run the same command again"
                )
            (root / DVC_TMP / RWLOCK_NAME).unlink(missing_ok=True)
            warn(f"removed {root / DVC_TMP / RWLOCK_NAME}, which a killed DVC left damaged")
    if not _is_mapping(root / DVC_LOCK):
        raise UserError(
            f"{root / DVC_LOCK} is damaged, probably because DVC was killed while it wrote it; type"
            f" `git checkout {DVC_LOCK}`, then run the same command again: DVC's cache has the later results"
        )


def is_damaged(rwlock: Path) -> bool:
    """Whether DVC would refuse it."""
    try:
        content = json.loads(rwlock.read_bytes())
    except FileNotFoundError:
        return False
    except (ValueError, RecursionError):
        return True
    return not (isinstance(content, dict) and all(isinstance(each, dict) for each in content.values()))


def _is_mapping(lock: Path) -> bool:
    """Whether a file is absent, or a YAML mapping."""
    with suppress(FileNotFoundError):
        try:
            return isinstance(parse_yaml(lock.read_bytes(), str(lock)), dict)
        except UserError:
            return False
    return True


def running_dvcs(root: Path) -> Iterator[int]:
    """Ids of the DVC processes at work in this project."""
    import psutil  # type: ignore[import-untyped]

    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words, helpers = process.cmdline(), [child.cmdline() for child in process.children()]
            named = any(Path(word).name == "dvc" for word in words[:3]) and "daemon" not in words
            # A fork that waits for DVC's update check has the command line of the process that forked it.
            waits = bool(helpers) and all("daemon" in each for each in helpers)
            if named and not waits and Path(process.cwd()).is_relative_to(root.resolve()):
                yield process.pid


def main(arguments: Sequence[str] = ()) -> None:  # noqa: ARG001
    mend()


if __name__ == "__main__":
    run(main)
