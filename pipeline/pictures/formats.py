"""Picture formats: read by Pillow, read with a plugin, or not read. The bytes decide, not the name: phones
write HEIC files named `.jpg`.
"""

from dataclasses import dataclass
from functools import cache
from importlib import import_module

SUFFIX_OF_FORMAT = {
    "PNG": ".png", "JPEG": ".jpg", "MPO": ".jpg", "WEBP": ".webp", "BMP": ".bmp", "GIF": ".gif",
    "TIFF": ".tif", "AVIF": ".avif", "HEIF": ".heic", "JXL": ".jxl",
}  # fmt: skip
"""Readable formats by Pillow's names, and the suffix for files without a name."""
PICTURE_FILE_SUFFIXES = frozenset(
    {*SUFFIX_OF_FORMAT.values(), ".jpeg", ".jfif", ".tiff", ".mpo", ".heif", ".hif"}
)
HEADER_BYTES = 64


@dataclass(frozen=True)
class Plugin:
    """A package that adds a format to Pillow: its module, its register function, and how to install it."""

    module: str
    register: str | None
    install: str


PLUGINS = {
    "HEIF": Plugin("pillow_heif", "register_heif_opener", "pip install 'athanor[formats]'"),
    "JXL": Plugin("pillow_jxl", None, "pip install 'athanor[jxl]'"),
}
FORMATS = tuple(name for name in SUFFIX_OF_FORMAT if name != "MPO" and name not in PLUGINS)
"""What Pillow may try without plugins; its JPEG reader recognises MPO."""
UNREAD = frozenset(
    {".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw"}  # raw files of cameras
    | {
        ".psd",
        ".xcf",
        ".kra",
        ".clip",
        ".svg",
        ".eps",
        ".jp2",
        ".j2k",
        ".jpx",
        ".tga",
        ".exr",
        ".hdr",
        ".ico",
    }
    | {".ppm", ".pgm", ".pbm", ".pnm", ".pcx", ".dds", ".apng", ".bpg", ".jpe"}
)
"""Suffixes of pictures that are not read; skipping them silently would lose a person's pictures."""


class MissingPluginError(Exception):
    """The picture needs a plugin that is not installed; the message says how to install it."""


def plugin_format(start: bytes) -> str | None:
    """The format that needs a plugin, by a file's first bytes."""
    if start[4:8] == b"ftyp":
        brands = {start[8:12], *(start[at : at + 4] for at in range(16, len(start), 4))}
        if brands & {b"avif", b"avis"}:
            return None
        return "HEIF" if brands & {b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"} else None
    return "JXL" if start.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")) else None


def formats_for(start: bytes) -> tuple[str, ...]:
    """The formats that Pillow may try on a file with these first bytes. Raises MissingPluginError."""
    name = plugin_format(start)
    if name is None:
        return FORMATS
    if not _is_there(name):
        plugin = PLUGINS[name]
        raise MissingPluginError(f"{name}, which Pillow reads with {plugin.module}; `{plugin.install}`")
    return (name,)


@cache
def _is_there(name: str) -> bool:
    plugin = PLUGINS[name]
    try:
        module = import_module(plugin.module)
    except ImportError:
        return False
    if plugin.register:
        getattr(module, plugin.register)()
    return True
