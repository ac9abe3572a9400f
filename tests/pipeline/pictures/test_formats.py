"""Pictures of phones and cameras; those of a plugin where it is installed."""

from pathlib import Path

import pytest
from PIL import Image

from pipeline.pictures import formats
from pipeline.pictures.downloads import picture_suffix
from pipeline.pictures.formats import plugin_format
from pipeline.pictures.reading import PictureError, read, read_picture

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
JXL = b"\0\0\0\x0cJXL \r\n\x87\n"


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (HEIC, "HEIF"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIF"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", None),  # Pillow's own
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", None),
        (JXL, "JXL"),
        (b"\xff\x0a\x12", "JXL"),
        (b"\xff\xd8\xff", None),
        (b"", None),
    ],
)
def test_a_file_is_what_its_bytes_say(start: bytes, name: str | None) -> None:
    assert plugin_format(start) == name


@pytest.mark.parametrize(
    ("name", "start", "cure"),
    [
        ("a.heic", HEIC, r"HEIF, which Pillow reads with pillow_heif; `pip install 'athanor\[formats\]'`"),
        ("a.jpg", HEIC, "pillow_heif"),
        ("a.jxl", JXL, r"JXL, which Pillow reads with pillow_jxl; `pip install 'athanor\[jxl\]'`"),
    ],
)
def test_without_the_plugin_the_error_names_the_cure(
    name: str, start: bytes, cure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "_is_there", lambda _: False)
    (tmp_path / name).write_bytes(start + bytes(100))
    with pytest.raises(PictureError, match=cure) as error:
        read_picture(tmp_path / name)
    assert error.value.check == "unreadable"
    assert picture_suffix(tmp_path / name) == (".jxl" if start == JXL else ".heic")


def corner(size: tuple[int, int] = (64, 32)) -> Image.Image:
    """Black with a red left half."""
    picture = Image.new("RGB", size)
    picture.paste((255, 0, 0), (0, 0, size[0] // 2, size[1]))
    return picture


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x112] = 6  # a quarter turn to the right
    return exif.tobytes()


def test_heic_is_read_upright_under_any_name(tmp_path: Path) -> None:
    plugin = pytest.importorskip("pillow_heif")
    plugin.register_heif_opener()
    corner().save(tmp_path / "a.heic", exif=turned(), quality=100)
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.heic").read_bytes())
    for name in ("a.heic", "a.jpg"):
        made = read(tmp_path / name)
        assert (made.picture.size, made.format) == ((32, 64), "HEIF")
        red, black = made.picture.getpixel((16, 8)), made.picture.getpixel((16, 56))
        assert red[0] > 245  # type: ignore[index]  # lossy
        assert max(black) < 10  # type: ignore[arg-type]


def test_jpeg_xl_is_read(tmp_path: Path) -> None:
    pytest.importorskip("pillow_jxl")
    corner().save(tmp_path / "a.jxl", lossless=True)
    assert read_picture(tmp_path / "a.jxl").tobytes() == corner().tobytes()


def test_avif_is_pillows_own(tmp_path: Path) -> None:
    corner().save(tmp_path / "a.avif", quality=100)
    assert read_picture(tmp_path / "a.avif").size == (64, 32)
