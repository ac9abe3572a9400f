"""Files that break other tools, one by one and all together: each has its verdict, nothing crashes, nothing
is written outside, nothing is lost.
"""

import io
import os
import re
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from pipeline.errors import UserError
from pipeline.files.atomic import read_jsonl
from pipeline.pictures.records import read_records
from stages.collect import collect
from tests.pipeline.pictures.settings import settings

SIDE = 96


def photo(seed: int = 0, mode: str = "RGB", side: int = SIDE) -> Image.Image:
    """Noise: no two seeds look alike, and it does not compress."""
    bands = Image.getmodebands(mode)
    noise = np.random.default_rng(seed).integers(0, 256, (side, side, bands), np.uint8)
    return Image.fromarray(noise if bands > 1 else noise[..., 0], None if bands == 3 else mode)


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def frames(kind: str) -> bytes:
    return saved(photo(1), kind, save_all=True, append_images=[photo(2), photo(3)])


def cut(kind: str, seed: int, **options: object) -> bytes:
    whole = saved(photo(seed), kind, **options)
    return whole[: len(whole) // 2]


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of_size(width: int, height: int) -> bytes:
    """A header that promises much, and a few bytes of data."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")
    )


def png_with(chunk: bytes) -> bytes:
    whole = saved(photo(4), "PNG")
    return whole[:33] + chunk + whole[33:]


def flipped_bit() -> bytes:
    whole = bytearray(saved(photo(20), "PNG"))
    whole[len(whole) // 2] ^= 1
    return bytes(whole)


def text_bomb() -> bytes:
    return png_with(png_chunk(b"zTXt", b"c\0\0" + zlib.compress(bytes(80 << 20))))


def jpeg_with_exif(payload: bytes) -> bytes:
    whole = saved(photo(5), "JPEG")
    body = b"Exif\0\0" + payload
    return whole[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + whole[2:]


def mpo() -> bytes:
    return saved(photo(6), "MPO", save_all=True, append_images=[photo(7)])


def palette_with_transparency() -> bytes:
    picture = photo(8).quantize(32)
    return saved(picture, "PNG", transparency=bytes(range(0, 256, 8)))


def p3_profile() -> bytes:
    return saved(
        photo(9), "PNG", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    )


NFC, NFD = (unicodedata.normalize(form, "caf\u00e9-\u00fc") for form in ("NFC", "NFD"))

# name of the file -> (its bytes, the check that it fails or None)
HOSTILE: dict[str, tuple[Callable[[], bytes], str | None]] = {
    "cut-png.png": (lambda: cut("PNG", 10), "truncated"),
    "cut-jpeg.jpg": (lambda: cut("JPEG", 11), "truncated"),
    "cut-progressive.jpg": (lambda: cut("JPEG", 12, progressive=True), "truncated"),
    "cut-webp.webp": (lambda: cut("WEBP", 13), "truncated"),
    "cut-gif.gif": (lambda: cut("GIF", 14), "truncated"),
    "cut-bmp.bmp": (lambda: cut("BMP", 15), "truncated"),
    "cut-tiff.tif": (lambda: cut("TIFF", 16), "truncated"),
    "cut-avif.avif": (lambda: cut("AVIF", 17), "unreadable"),
    "cut-in-header.png": (lambda: saved(photo(18), "PNG")[:20], "truncated"),
    "cut-last-bytes.png": (lambda: saved(photo(19), "PNG")[:-40], "truncated"),
    "wrong-checksum.png": (flipped_bit, "truncated"),
    "no-data.png": (lambda: saved(photo(29), "PNG").replace(b"IDAT", b"IDAX", 1), "unreadable"),
    "zero-bytes.png": (lambda: b"", "unreadable"),
    "zeros.jpg": (lambda: bytes(5000), "unreadable"),
    "text.png": (lambda: b"this is no picture", "unreadable"),
    "page.jpg": (lambda: b"<!doctype html><title>404</title>", "unreadable"),
    "svg.png": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unreadable"),
    "postscript.png": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", "unreadable"),
    "jpeg-called.png": (lambda: saved(photo(21), "JPEG"), "wrong_suffix"),
    "png-called.webp": (lambda: saved(photo(22), "PNG"), "wrong_suffix"),
    "cmyk.jpg": (lambda: saved(photo(23, "CMYK"), "JPEG"), None),
    "cmyk.tif": (lambda: saved(photo(24, "CMYK"), "TIFF"), "same_stem"),
    "sixteen-bits.png": (
        lambda: saved(Image.fromarray(np.asarray(photo(25, "L")).astype(np.uint16) * 257), "PNG"),
        None,
    ),
    "floats.tif": (lambda: saved(photo(26, "L").convert("F"), "TIFF"), "unreadable"),
    "palette.png": (palette_with_transparency, None),
    "grey-with-alpha.png": (lambda: saved(photo(27, "LA"), "PNG"), None),
    "one-bit.png": (lambda: saved(photo(28, "L").convert("1"), "PNG"), None),
    "stereo.mpo": (mpo, None),
    "huge.png": (lambda: png_of_size(100_000, 100_000), "too_many_pixels"),
    "over-the-limit.png": (lambda: png_of_size(9_460, 9_460), "too_many_pixels"),
    "bomb.png": (lambda: saved(Image.new("1", (13_000, 13_000)), "PNG"), "too_many_pixels"),
    "text-bomb.png": (text_bomb, "truncated"),
    "sizeless.png": (lambda: png_of_size(0, 0), "unreadable"),
    "moving.gif": (lambda: frames("GIF"), "animated"),
    "moving-webp.webp": (lambda: frames("WEBP"), "animated"),
    "moving-png.png": (lambda: frames("PNG"), "animated"),
    "pages.tif": (lambda: frames("TIFF"), "animated"),
    "broken-exif.jpg": (lambda: jpeg_with_exif(b"II*\0\xff\xff\xff\xff" + b"\xff" * 60), None),
    "looping-exif.jpg": (
        lambda: jpeg_with_exif(b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\xff\xff\xff\xff"),
        None,
    ),
    "broken-profile.png": (lambda: saved(photo(30), "PNG", icc_profile=b"no profile" * 20), "broken_profile"),
    "foreign-profile.png": (p3_profile, "broken_profile"),
    "\u732b\u306e\u5199\u771f.png": (lambda: saved(photo(31), "PNG"), None),
    "\U0001f408\u200d\u2b1b.png": (lambda: saved(photo(32), "PNG"), None),
    f"{NFD}.png": (lambda: saved(photo(33), "PNG"), None),
    f"{NFC}.jpg": (lambda: saved(photo(34), "JPEG"), "same_stem"),
    "Case.png": (lambda: saved(photo(35), "PNG"), None),
    "case.png": (lambda: saved(photo(36), "PNG"), "same_stem"),
    "aux.png": (lambda: saved(photo(37), "PNG"), "odd_name"),
    "who?.png": (lambda: saved(photo(38), "PNG"), "odd_name"),
    "-rf *.png": (lambda: saved(photo(39), "PNG"), "odd_name"),
    "strip.png": (lambda: saved(photo(40).resize((400, 80)), "PNG"), "extreme_aspect"),
    "dot.png": (lambda: saved(photo(41, side=1), "PNG"), "too_small"),
    "twin.png": (lambda: saved(photo(31), "PNG"), "duplicate"),
    "notes.docx": (lambda: b"PK\x03\x04", "unknown_file"),
    "clip.mp4": (lambda: b"\0\0\0\x18ftypmp42", "unknown_file"),
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty source folder."""
    folder = tmp_path / "in" / "3_zib"
    folder.mkdir(parents=True)
    return folder


def run(source: Path, **checks: str) -> Path:
    out = source.parent / "out"
    collect(settings(checks, source=str(source), min_side_px=64), out)
    return out / "data/collected"


def everything(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.mark.parametrize("name", HOSTILE)
def test_each_file_has_its_verdict(place: Path, name: str) -> None:
    """The checks that it fails with every check on but those that need a second file."""
    make, check = HOSTILE[name]
    (place / name).write_bytes(make())
    (place / "good.png").write_bytes(saved(photo(99), "PNG"))
    expected = None if check in ("same_stem", "duplicate") else check
    collected = run(place.parent, **({expected: "drop"} if expected else {}))
    dropped = [row["check"] for row in read_jsonl(collected / "left_out.jsonl")]
    assert dropped == [expected] * (expected is not None)
    kept = [record for record in read_records(collected) if record.id != "zib/good"]
    assert len(kept) == (expected is None)
    for record in kept:
        assert (collected / "pictures" / record.file).read_bytes() == make()


def test_all_of_them_together_are_one_list_and_nothing_is_written(place: Path) -> None:
    for name, (make, _) in HOSTILE.items():
        (place / name).write_bytes(make())
    before = everything(place.parent.parent)
    with pytest.raises(UserError) as error:
        run(place.parent)
    told = [re.findall(r"(\w+)\]$", problem)[0] for problem in error.value.problems[:-1]]
    warned = {"wrong_suffix", "broken_profile", "odd_name", "unknown_file"}
    wanted = [check for _, check in HOSTILE.values() if check and check not in warned]
    # Of the twins, it is the second by name that is at fault.
    assert sorted(told) == sorted([*wanted])
    assert everything(place.parent.parent) - {"store"} >= before
    assert not (place.parent / "out").exists()


def test_there_are_as_many_as_promised() -> None:
    assert len(HOSTILE) >= 40


def zip_of(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


@pytest.mark.parametrize(
    "name", ["../../evil.png", "/evil.png", "a/../../evil.png", "..\\evil.png", "C:/evil.png"]
)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_members_that_lead_out_are_refused(tmp_path: Path, name: str, kind: str) -> None:
    archive = tmp_path / f"set.{kind}"
    data = saved(photo(1), "PNG")
    if kind == "zip":
        zip_of(archive, **{"good.png": data, name: data})
    else:
        with tarfile.open(archive, "w") as file:
            for member in ("good.png", name):
                info = tarfile.TarInfo(member)
                info.size = len(data)
                file.addfile(info, io.BytesIO(data))
    with pytest.raises(UserError, match="leads out of the archive"):
        run(archive)
    assert list(tmp_path.rglob("*evil*")) == []
    assert not (tmp_path / "out/data/.sources.part").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_members_that_are_no_files_are_refused(tmp_path: Path, kind: bytes) -> None:
    info = tarfile.TarInfo("a.png")
    info.type, info.linkname = kind, "/etc/passwd"
    with tarfile.open(tmp_path / "set.tar.gz", "w:gz") as file:
        file.addfile(info)
    with pytest.raises(UserError, match="a link or a device"):
        run(tmp_path / "set.tar.gz")


def test_links_in_a_zip_are_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("a.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as file:
        file.writestr(info, "/etc/passwd")
    with pytest.raises(UserError, match="is a link"):
        run(tmp_path / "set.zip")


def test_a_bomb_is_stopped_before_it_fills_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.pictures.archives.MIN_LIMIT_BYTES", 1 << 20)
    with zipfile.ZipFile(tmp_path / "set.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.png", bytes(40 << 20))
    with pytest.raises(UserError, match="a bomb"):
        run(tmp_path / "set.zip")


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".tar.xz"])
@pytest.mark.parametrize("keep", [0, 100, 4000])
def test_damaged_archives_are_a_sentence(tmp_path: Path, suffix: str, keep: int) -> None:
    whole = io.BytesIO()
    data = saved(photo(1), "PNG")
    if suffix == ".zip":
        with zipfile.ZipFile(whole, "w") as file:
            file.writestr("a.png", data)
    else:
        info = tarfile.TarInfo("a.png")
        info.size = len(data)
        with tarfile.open(fileobj=whole, mode=f"w:{suffix[5:]}") as packed:  # type: ignore[call-overload]
            packed.addfile(info, io.BytesIO(data))
    (tmp_path / f"set{suffix}").write_bytes(whole.getvalue()[:keep])
    with pytest.raises(UserError, match="damaged or cut short"):
        run(tmp_path / f"set{suffix}")


def test_links_out_of_the_folder_and_special_files_are_refused(place: Path) -> None:
    outside = place.parent.parent / "secret.png"
    outside.write_bytes(saved(photo(1), "PNG"))
    (place / "good.png").write_bytes(saved(photo(2), "PNG"))
    (place / "out.png").symlink_to(outside)
    (place / "broken.png").symlink_to(place / "nothing.png")
    (place / "folder").symlink_to(place.parent.parent)
    (place / "loop").symlink_to(place)
    (place / "good-link.png").symlink_to("good.png")
    os.mkfifo(place / "pipe.png")
    with pytest.raises(UserError) as error:
        run(place.parent)
    told = {problem.split(":")[0].rpartition("/")[2] for problem in error.value.problems}
    assert told >= {"out.png", "broken.png", "folder", "loop", "pipe.png"}
    assert "good.png" not in told


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (b"caf\xe9.png", "not UTF-8"),
        (b"line\nbreak.png", "control characters"),
        (b"n" * 240 + b".png", "longer than"),
    ],
)
def test_names_that_no_later_stage_could_write_are_refused(place: Path, name: bytes, reason: str) -> None:
    (place / os.fsdecode(name)).write_bytes(saved(photo(1), "PNG"))
    with pytest.raises(UserError, match=reason) as error:
        run(place.parent)
    str(error.value).encode()


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.txt", b"\xff\xfea\0", "not UTF-8"),
        ("a.json", b"{", "not readable JSON"),
        ("a.json", b"[" * 100_000, "not readable JSON"),
        ("metadata.jsonl", b"[1]\n", "it is a list, and must be a mapping"),
        ("metadata.jsonl", b'{"text": "a"}\n', "no `file_name`"),
        ("metadata.csv", b"file_name,text\n../../etc/passwd,a\n", "no picture '../../etc/passwd'"),
    ],
)
def test_captions_that_cannot_be_read_are_a_sentence(
    place: Path, name: str, data: bytes, reason: str
) -> None:
    (place / "a.png").write_bytes(saved(photo(1), "PNG"))
    (place / name).write_bytes(data)
    with pytest.raises(UserError, match=reason):
        run(place.parent)
