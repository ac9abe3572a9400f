"""Colours that a file describes, against values worked out by hand from sRGB's curve and primaries."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from pipeline.pictures.reading import read_alpha, read_picture


def png(path: Path, depth: int, kind: int, rows: bytes, *chunks: tuple[bytes, bytes], width: int = 2) -> Path:
    """A PNG of one row, to the byte: kind 0 is grey, 2 RGB, 3 a palette."""
    head = struct.pack(">IIBBBBB", width, 1, depth, kind, 0, 0, 0)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(b"\0" + rows)), (b"IEND", b"")]
    data = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    return path


def gama(gamma: float) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", round(gamma * 100_000))


def chrm(*values: float) -> tuple[bytes, bytes]:
    return b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in values))


SRGB = chrm(0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
ADOBE = chrm(0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)


def profile(name: str, gamma: float) -> bytes:
    """sRGB's primaries under this name with a curve of one power: the field of a `curv`, in 1/256."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {
        bytes(data[at : at + 4]): struct.unpack(">II", data[at + 4 : at + 12])
        for at in range(132, 132 + 12 * struct.unpack(">I", data[128:132])[0], 12)
    }
    for tag in (b"rTRC", b"gTRC", b"bTRC"):
        place, _ = tags[tag]
        data[place : place + 14] = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    place, length = tags[b"desc"]
    text = name.encode("utf-16-be").ljust(length - 28, b"\0")
    data[place + 28 : place + length] = text[: length - 28]
    return bytes(data)


def test_a_profile_is_judged_by_its_curve_not_by_its_name(tmp_path: Path) -> None:
    grey = Image.new("RGB", (4, 4), (55, 55, 55))
    grey.save(tmp_path / "linear.png", icc_profile=profile("sRGB linear", 1.0))
    # (55 / 255) of the light is 128 on sRGB's curve: 1.055 * 0.2157 ** (1 / 2.4) - 0.055 = 0.5016
    assert abs(read_picture(tmp_path / "linear.png").getpixel((0, 0))[0] - 128) <= 1  # type: ignore[index]
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8))
    noise.save(tmp_path / "own.png", icc_profile=own)
    assert np.array_equal(np.asarray(read_picture(tmp_path / "own.png")), np.asarray(noise))


@pytest.mark.parametrize(
    ("chunks", "grey"),
    [
        ([gama(1.0)], 188),  # half of the light: 1.055 * 0.502 ** (1 / 2.4) - 0.055 = 0.737
        ([gama(0.45455)], 128),  # what sRGB's writers say
        ([gama(0.45455), SRGB], 128),
        ([gama(1.0), (b"sRGB", b"\0")], 128),  # the mark for sRGB counts before gamma
        ([gama(0.0)], 128),  # no curve
        ([gama(0.55)], 146),  # a Macintosh's 1.8: 0.502 ** (1 / 0.55) = 0.2856 of the light, 0.571
    ],
)
@pytest.mark.parametrize("kind", [0, 2])
def test_gamma_of_a_png_is_applied(
    chunks: list[tuple[bytes, bytes]], grey: int, kind: int, tmp_path: Path
) -> None:
    picture = read_picture(
        png(tmp_path / "a.png", 8, kind, bytes([128, 128, 128] * 2)[: 6 if kind else 2], *chunks)
    )
    assert all(abs(value - grey) <= 1 for value in picture.getpixel((0, 0)))  # type: ignore[union-attr]


def test_primaries_of_a_png_are_applied_and_white_stays_white(tmp_path: Path) -> None:
    rows = bytes([150, 200, 150, 255, 255, 255])
    made = np.asarray(read_picture(png(tmp_path / "a.png", 8, 2, rows, gama(0.45455), ADOBE)))[0]
    # Adobe RGB's known matrix: red 1.3984 R - 0.3984 G of the light, blue 1.0429 B - 0.0429 G; 0.311 and
    # 0.586 of it were stored.
    assert np.abs(made[0].astype(int) - [124, 201, 149]).max() <= 2
    assert made[1].tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    ("depth", "kind", "rows", "transparent"),
    [
        (16, 0, struct.pack(">HH", 258, 259), struct.pack(">H", 258)),  # both are 1 of 255
        (16, 2, struct.pack(">6H", 256, 0, 0, 60000, 0, 0), struct.pack(">3H", 256, 0, 0)),
        (4, 0, bytes([0x3F]), struct.pack(">H", 3)),
        (2, 0, bytes([0b01110000]), struct.pack(">H", 1)),
        (8, 0, bytes([7, 8]), struct.pack(">H", 7)),
        (1, 0, bytes([0b10000000]), struct.pack(">H", 1)),
    ],
)
def test_the_colour_that_a_png_calls_transparent_is_so_at_every_depth(
    depth: int, kind: int, rows: bytes, transparent: bytes, tmp_path: Path
) -> None:
    path = png(tmp_path / "a.png", depth, kind, rows, (b"tRNS", transparent))
    alpha = read_alpha(path)
    assert alpha is not None
    assert [alpha.getpixel((x, 0)) for x in (0, 1)] == [0, 255]
    assert read_picture(path, background=(9, 90, 200)).getpixel((0, 0)) == (9, 90, 200)


def test_a_curve_of_sixteen_bit_grey_is_applied(tmp_path: Path) -> None:
    path = png(tmp_path / "a.png", 16, 0, struct.pack(">HH", 32896, 0), gama(1.0))
    assert read_picture(path).getpixel((0, 0)) == (188, 188, 188)
