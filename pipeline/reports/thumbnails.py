"""Thumbnails inlined into a page: WebP as data URIs, kept by content."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from pipeline.pictures.thumbnails import webp_thumbnail, webp_uri
from pipeline.store.items import Items, key

VERSION = 1
"""Of the algorithm: raise it when thumbnails change."""
THUMBNAIL_SIDE_PX = 192


def data_uris(files: Mapping[str, Path], side_px: int = THUMBNAIL_SIDE_PX) -> dict[str, str]:
    """`data:image/webp;base64,...` of each file; `files`: by the SHA-256 of their bytes."""
    items = Items("thumbnail")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = list(pool.map(lambda entry: _webp(entry[0], entry[1], items, side_px), files.items()))
    return {digest: webp_uri(webp) for digest, webp in zip(files, made, strict=True)}


def _webp(digest: str, file: Path, items: Items, side_px: int) -> bytes:
    item_key = key(version=VERSION, side_px=side_px, picture=digest)
    kept = items.get(item_key)
    if kept is not None:
        return kept
    with Image.open(file) as picture:
        return items.put(item_key, webp_thumbnail(picture, side_px))
