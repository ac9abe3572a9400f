"""Names that a stranger's file gives and that become files' names here."""

from pipeline.errors import UserError

MOST_BYTES = 200
"""Of a name; disks hold 255, and a suffix follows."""


def is_plain_name(name: str) -> bool:
    """Whether a file of this name lies in the folder that it is put in."""
    return (
        name.isprintable()
        and name not in ("", ".", "..")
        and not any(sign in name for sign in "/\\:")
        and 0 < len(name.encode("utf-8", "surrogateescape")) <= MOST_BYTES
    )


def insist_on_plain_name(name: object, what: str) -> str:
    """The name; one that is none is a user error. `what` says whose it is."""
    if isinstance(name, str) and is_plain_name(name):
        return name
    shown = repr(name)[:80]
    raise UserError(
        f"{what} {shown} cannot be a file's name: it leads out of its folder, is too long, or has slashes,"
        " colons or control characters; rename it in the file that was read, or fetch another"
    )
