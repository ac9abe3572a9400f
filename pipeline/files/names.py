"""Validates all names from users or strangers' files that become file names. Names that Windows does not
allow are refused everywhere, since files are copied between systems.
"""

import re

from pipeline.errors import UserError

MOST_NAME_BYTES = 200
"""Of a name; disks allow 255, and a suffix follows."""
FORBIDDEN = frozenset('/\\:*?"<>|')
DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])", re.IGNORECASE)
"""Names that mean a device on Windows, with any suffix."""
MOST_NAME_SHOWN = 60


def fault_of(name: str) -> str | None:
    """Why this cannot be a file name; None if it can."""
    signs = " ".join(sorted(set(name) & FORBIDDEN))
    length = len(name.encode("utf-8", "surrogateescape"))
    faults = {
        "it is empty": not name.strip(),
        "it means a folder": name in (".", ".."),
        "it has control characters, or others that cannot be seen": not name.isprintable(),
        f"it has {signs}, which not every system can hold": bool(signs),
        "it begins or ends with a blank": name != name.strip(),
        "it ends with a dot, which Windows cuts off": name.endswith("."),
        "it begins with -, which commands take for an option": name.startswith("-"),
        "Windows takes it for a device": bool(DEVICES.fullmatch(name.partition(".")[0].strip())),
        f"it has {length} bytes, of {MOST_NAME_BYTES} at most": length > MOST_NAME_BYTES,
    }
    return next((fault for fault, is_so in faults.items() if is_so), None)


def insist_on_plain_name(name: object, what: str) -> str:
    """The name, if valid, else a user error. `what` describes the name."""
    if isinstance(name, str) and (fault := fault_of(name)) is None:
        return name
    fault = fault if isinstance(name, str) else "it is not a text"
    raise UserError(
        f"{what} {_shown(name)} cannot be a file's name: {fault}; use letters, digits, `.`, `-` and `_`"
    )


def plain_name(name: str) -> str:
    """The name, for schemas. Raises ValueError."""
    if fault := fault_of(name):
        raise ValueError(f"it becomes a file's name, and {fault}")
    return name


def _shown(name: object) -> str:
    text = repr(name)
    return text if len(text) <= MOST_NAME_SHOWN else f"{text[:MOST_NAME_SHOWN]}..."
