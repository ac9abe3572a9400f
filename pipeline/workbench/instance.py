"""One workbench a checkout: a lock that ends with the process, and where the running one answers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.files.atomic import write_json
from pipeline.files.locks import locked_now
from pipeline.workbench import STATE_FOLDER

LOCK_FILE = STATE_FOLDER / "lock"
ADDRESS_FILE = STATE_FOLDER / "address.json"


@contextmanager
def only_one() -> Iterator[str | None]:
    """None if this process may serve; else the address of the one that does."""
    with locked_now(LOCK_FILE) as is_free:
        yield None if is_free else address_of(Path())
        if is_free:
            ADDRESS_FILE.unlink(missing_ok=True)


def address_of(root: Path) -> str:
    """Where the workbench of a checkout answers; empty if that is not known."""
    try:
        return str(json.loads((root / ADDRESS_FILE).read_text(encoding="utf-8"))["address"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def note_address(address: str) -> None:
    """Read by the owner alone: the address holds the token."""
    ADDRESS_FILE.parent.mkdir(parents=True, exist_ok=True)
    ADDRESS_FILE.touch(mode=0o600)
    write_json(ADDRESS_FILE, {"address": address})
    ADDRESS_FILE.chmod(0o600)
