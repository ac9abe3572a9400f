"""One workbench a checkout: a lock that ends with the process, its socket, and where it answers."""

import errno
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import UserError
from pipeline.files.atomic import write_json
from pipeline.files.locks import locked_now
from pipeline.workbench import STATE_FOLDER

LOCK_FILE = STATE_FOLDER / "lock"
ADDRESS = "127.0.0.1"
"""There is no option for another."""
ADDRESS_FILE = STATE_FOLDER / "address.json"


@contextmanager
def only_one() -> Iterator[str | None]:
    """None if this process may serve; else the address of the one that does."""
    with locked_now(LOCK_FILE) as is_free:
        yield None if is_free else address_of(Path())


def address_of(root: Path) -> str:
    """Where the workbench of a checkout answers; empty if that is not known."""
    try:
        return str(json.loads((root / ADDRESS_FILE).read_text(encoding="utf-8"))["address"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def forget_address() -> None:
    ADDRESS_FILE.unlink(missing_ok=True)


def note_address(address: str) -> None:
    """Read by the owner alone: the address holds the token."""
    ADDRESS_FILE.parent.mkdir(parents=True, exist_ok=True)
    ADDRESS_FILE.touch(mode=0o600)
    write_json(ADDRESS_FILE, {"address": address})
    ADDRESS_FILE.chmod(0o600)


def listening(port: int) -> socket.socket:
    """A socket of this machine alone; port 0: any that is free."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((ADDRESS, port))
    except OSError as error:
        made.close()
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise UserError(
            f"port {port} is taken or not allowed; another program, perhaps another checkout's workbench,"
            " uses it: add `--port 0` for any free one"
        ) from None
    made.listen(128)  # a browser may ask before the pages are loaded
    return made
