"""Pictures for the browser, by hash: the file itself, or a thumbnail, kept by content."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline.pictures.thumbnails import webp_thumbnail
from pipeline.store.items import Items, key

THUMBNAIL_SIDES = {"96": 96, "320": 320}
SHOWN_TYPES = {
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp",
    ".gif": "image/gif", ".avif": "image/avif",
}  # fmt: skip
"""What every browser draws; others are sent as WebP."""
LARGE_SIDE = 4096
VERSION = 1
"""Of the algorithm: raise it when thumbnails change."""


class PictureFiles:
    """Makes thumbnails in two threads: Pillow decodes without Python's lock."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(2)
        self.making: dict[tuple[str, int], asyncio.Future[bytes]] = {}

    async def thumbnail(self, digest: str, path: Path, side_px: int) -> bytes:
        """As WebP; asked for twice at once, it is made once."""
        known = self.making.get((digest, side_px))
        if known is None:
            work = asyncio.get_running_loop().run_in_executor(self.pool, _made, digest, path, side_px)
            known = self.making[digest, side_px] = asyncio.ensure_future(work)
            known.add_done_callback(lambda _: self.making.pop((digest, side_px), None))
        return await asyncio.shield(known)


def _made(digest: str, path: Path, side_px: int) -> bytes:
    items, item_key = Items("thumbnail"), key(version=VERSION, shown_px=side_px, picture=digest)
    kept = items.get(item_key)
    return kept if kept is not None else items.put(item_key, _drawn(path, side_px))


def _drawn(path: Path, side_px: int) -> bytes:
    from PIL import Image

    if path.suffix == ".png" and side_px < LARGE_SIDE:
        with Image.open(path) as picture:
            if picture.mode == "RGB" and "icc_profile" not in picture.info:
                return webp_thumbnail(picture, side_px)
    from pipeline.pictures.reading import read_picture  # loads OpenCV

    return webp_thumbnail(read_picture(path, min_side_px=side_px), side_px)
