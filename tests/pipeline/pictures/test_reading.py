from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from pipeline.pictures.reading import PictureError, read_picture


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
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)
    with pytest.raises(PictureError, match="pixels"):
        read_picture(tmp_path / "a.png")
