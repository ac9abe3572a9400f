"""Unpacks archives into a folder. Takes only bytes under checked names: no links, no permissions, no paths
out of the folder, no more bytes than a picture archive can hold.
"""

import errno
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
UNPACKED_BYTES = 1 << 20
MIN_LIMIT_BYTES = 1 << 30
MAX_RATIO = 20
"""Pictures are already compressed: an archive that unpacks to more than this many times its bytes, and to
more than MIN_LIMIT_BYTES, is a bomb.
"""
MAX_MEMBERS = 1_000_000
MAX_MEMBER_NAME_BYTES = 255
DAMAGED_ARCHIVE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error,
    EOFError, OSError, ValueError, LookupError, NotImplementedError, RuntimeError, TypeError, AttributeError,
    ArithmeticError, AssertionError, MemoryError,
)  # fmt: skip
"""What the readers raise on damaged archives or unknown kinds of archives."""
OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS)


class ArchiveError(Exception):
    """Why an archive is not unpacked, in a few words."""


def suffix_of(name: str) -> str | None:
    """The archive suffix of a file name, `.tar.gz` as a whole."""
    return max((end for end in ARCHIVE_SUFFIXES if name.lower().endswith(end)), key=len, default=None)


def unpack(archive: Path, folder: Path) -> None:
    """Writes the archive's files below `folder`, which must not exist. Raises ArchiveError."""
    limit = max(MIN_LIMIT_BYTES, MAX_RATIO * archive.stat().st_size)
    members = _zip_members if archive.suffix.lower() == ".zip" else _tar_members
    folder.mkdir(parents=True)
    total = 0
    try:
        for number, (name, file) in enumerate(members(archive), 1):
            if number > MAX_MEMBERS:
                raise ArchiveError(f"more than {MAX_MEMBERS} files")
            target = folder / _checked(name)
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as out:
                    while chunk := file.read(UNPACKED_BYTES):
                        total += len(chunk)
                        if total > limit:
                            raise ArchiveError(
                                f"unpacks to more than {limit >> 20} MiB, {MAX_RATIO} times its bytes:"
                                " a bomb; unpack it by hand if you trust it"
                            )
                        out.write(chunk)
            except (FileExistsError, NotADirectoryError):
                raise ArchiveError(f"member {name!r} collides with another one; rename it") from None
    except DAMAGED_ARCHIVE as error:
        if isinstance(error, OSError) and error.errno in OF_THE_DISK:
            raise
        raise ArchiveError(f"damaged or cut short ({error})") from None


def _checked(name: str) -> PurePosixPath:
    """The member's name as a path that stays inside the target folder."""
    path = PurePosixPath(name)
    parts = path.parts
    if path.is_absolute() or ".." in parts or "\\" in name or (parts and parts[0].endswith(":")):
        raise ArchiveError(f"member {name!r} leads out of the archive; nothing is unpacked")
    if not parts or any(
        len(part.encode("utf-8", "surrogateescape")) > MAX_MEMBER_NAME_BYTES for part in parts
    ):
        raise ArchiveError(f"the name of member {name[:60]!r}... is empty or too long for a disk; rename it")
    return path


def _zip_members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            if info.is_dir():
                continue
            if stat.S_ISLNK(info.external_attr >> 16):
                raise ArchiveError(f"member {info.filename!r} is a link; pack the file itself")
            if info.flag_bits & 1:
                raise ArchiveError("encrypted; unpack it by hand")
            with file.open(info) as member:
                yield info.filename, member


def _tar_members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(archive, "r:*") as file:
        for info in file:
            if info.isdir():
                continue
            if not info.isreg():
                raise ArchiveError(f"member {info.name!r} is a link or a device; pack the file itself")
            member = file.extractfile(info)
            assert member is not None
            with member:
                yield info.name, member
