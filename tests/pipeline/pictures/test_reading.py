from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps
from skimage import data as photographs

from pipeline.pictures import reading
from pipeline.pictures.reading import PictureError, read_picture


def astronaut() -> Image.Image:
    return Image.fromarray(photographs.astronaut())


def test_rotation_by_exif_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "a.jpg", exif=exif)
    assert read_picture(tmp_path / "a.jpg").size == (20, 40)


def test_transparent_parts_become_white(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    picture.putpixel((1, 0), (0, 0, 0, 0))
    picture.save(tmp_path / "a.png")
    assert np.asarray(read_picture(tmp_path / "a.png")).tolist() == [[[255, 0, 0], [255, 255, 255]]]


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "I;16", "LA"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    suffix = "tif" if mode == "CMYK" else "png"
    Image.new(mode, (8, 8)).save(tmp_path / f"a.{suffix}")
    assert read_picture(tmp_path / f"a.{suffix}").mode == "RGB"


def test_sixteen_bits_keep_their_middle(tmp_path: Path) -> None:
    Image.fromarray(np.full((2, 2), 0x8080, np.uint16)).save(tmp_path / "a.png")
    assert np.asarray(read_picture(tmp_path / "a.png"))[0, 0].tolist() == [128, 128, 128]


def test_a_colour_profile_is_converted(tmp_path: Path) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    Image.new("RGB", (2, 2), (10, 200, 30)).save(tmp_path / "a.png", icc_profile=lab.tobytes())
    assert np.abs(np.asarray(read_picture(tmp_path / "a.png"))[0, 0].astype(int) - [10, 200, 30]).max() <= 1


@pytest.mark.parametrize("keep", [0, 20, 200])
def test_damaged_files_are_refused_with_a_reason(tmp_path: Path, keep: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:keep])
    with pytest.raises(PictureError, match=r"not a picture|damaged"):
        read_picture(tmp_path / "cut.png")


def test_animations_are_refused(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(PictureError, match="animated"):
        read_picture(tmp_path / "a.gif")


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("1", (2000, 2000)).save(tmp_path / "a.png")
    monkeypatch.setattr(reading, "MAX_PIXELS", 1_000_000)
    with pytest.raises(PictureError, match="2000x2000 px: more than 1000000 pixels"):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_orientation_is_pillows(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    astronaut().crop((0, 0, 160, 96)).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as whole:
        expected = ImageOps.exif_transpose(whole)
    found = reading.read(tmp_path / "a.png")
    assert found.picture.tobytes() == expected.tobytes()
    assert (found.width_px, found.height_px) == expected.size


@pytest.mark.parametrize(
    ("side", "size"),
    [
        (None, (512, 384)),
        (385, (512, 384)),
        (384, (512, 384)),
        (193, (512, 384)),
        (192, (256, 192)),
        (10, (64, 48)),
    ],
)
def test_a_jpeg_may_come_smaller_but_not_under_the_wanted_side(
    tmp_path: Path, side: int | None, size: tuple[int, int]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    astronaut().crop((0, 0, 384, 512)).transpose(Image.Transpose.ROTATE_90).save(
        tmp_path / "a.jpg", exif=exif
    )
    found = reading.read(tmp_path / "a.jpg", side)
    assert found.picture.size == size[::-1]
    assert (found.width_px, found.height_px) == (384, 512)


def test_a_smaller_jpeg_is_the_same_picture(tmp_path: Path) -> None:
    astronaut().save(tmp_path / "a.jpg", quality=95)
    small, whole = read_picture(tmp_path / "a.jpg", 256), read_picture(tmp_path / "a.jpg")
    difference = np.asarray(small).astype(int) - np.asarray(whole.resize((256, 256), Image.Resampling.BOX))
    assert np.abs(difference).mean() < 1


def test_transparent_parts_take_the_background_that_is_asked_for(tmp_path: Path) -> None:
    Image.new("LA", (1, 1), (7, 0)).save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png", background=(1, 2, 3)).getpixel((0, 0)) == (1, 2, 3)


def test_a_palettes_transparency_is_flattened(tmp_path: Path) -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putpixel((1, 0), 1)
    picture.save(tmp_path / "a.png", transparency=bytes([128, 255]))
    assert np.asarray(read_picture(tmp_path / "a.png")).tolist() == [[[255, 127, 127], [0, 0, 255]]]


def test_a_foreign_profile_changes_colours_and_keeps_transparency(tmp_path: Path) -> None:
    # A profile whose red and green are swapped: what it calls red is shown green.
    swapped = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = swapped.replace(b"rXYZ", b"tXYZ", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"tXYZ", b"gXYZ", 1)
    swapped = swapped.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))
    picture = Image.new("RGBA", (2, 1), (250, 10, 20, 255))
    picture.putpixel((1, 0), (250, 10, 20, 0))
    picture.save(tmp_path / "a.png", icc_profile=swapped)
    found = reading.read(tmp_path / "a.png")
    shown = np.asarray(found.picture)[0].astype(int)
    assert not found.broken_profile
    assert np.abs(shown - [[10, 250, 20], [255, 255, 255]]).max() <= 3


def test_a_broken_profile_is_told(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2), (10, 200, 30)).save(tmp_path / "a.png", icc_profile=b"nothing" * 30)
    found = reading.read(tmp_path / "a.png")
    assert found.broken_profile
    assert found.picture.getpixel((0, 0)) == (10, 200, 30)


def test_cmyk_comes_out_as_it_looks(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (255, 0, 0, 0)).save(tmp_path / "a.jpg", quality=100)
    assert np.abs(np.asarray(read_picture(tmp_path / "a.jpg"))[0, 0].astype(int) - [0, 255, 255]).max() <= 2


def test_the_first_of_a_stereo_pair_is_taken(tmp_path: Path) -> None:
    left, right = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    left.save(tmp_path / "a.mpo", save_all=True, append_images=[right])
    found = reading.read(tmp_path / "a.mpo")
    assert found.format == "MPO"
    assert np.asarray(found.picture)[0, 0, 0] > 250


def test_a_flipped_bit_in_a_png_is_found(tmp_path: Path) -> None:
    astronaut().save(tmp_path / "a.png")
    reading.verify(tmp_path / "a.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[len(data) // 2] ^= 4
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(PictureError, match="damaged"):
        reading.verify(tmp_path / "a.png")


KINDS = {
    "PNG": "RGB", "JPEG": "RGB", "WEBP": "RGBA", "BMP": "P", "GIF": "P", "TIFF": "CMYK", "AVIF": "RGB",
    "MPO": "RGB",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bytes_give_a_picture_or_a_reason(tmp_path: Path, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {} if kind in ("BMP", "GIF") else {"exif": exif}
    astronaut().crop((200, 0, 240, 40)).convert(KINDS[kind]).save(tmp_path / "whole", kind, **options)
    whole, generator = (tmp_path / "whole").read_bytes(), Random(kind)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(generator.choice((1, 3, 10))):
            data[generator.randrange(min(len(data), generator.choice((64, 600, len(data)))))] = (
                generator.randrange(256)
            )
        (tmp_path / "a").write_bytes(data)
        with suppress(PictureError):
            assert reading.read(tmp_path / "a", 16).picture.mode == "RGB"


def test_threads_may_read_at_once(tmp_path: Path) -> None:
    import warnings

    astronaut().save(tmp_path / "a.jpg")
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        pictures = list(pool.map(lambda _: read_picture(tmp_path / "a.jpg", 64).tobytes(), range(200)))
    assert len(set(pictures)) == 1
    assert warnings.filters == before
