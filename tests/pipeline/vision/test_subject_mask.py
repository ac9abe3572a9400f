import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pipeline.errors import UserError
from pipeline.vision import subject_mask
from pipeline.vision.subject_mask import (
    BIREFNET,
    ISNET,
    ISNET_ANIME,
    U2NET,
    MaskLayout,
    SubjectMasks,
    by_name,
    mask_model,
    prepared,
)
from tests.pipeline.vision.tiny_encoder import means
from tests.pipeline.vision.tiny_segmenter import write_segmenter

BOX = (60, 30, 180, 150)


def disc() -> Image.Image:
    """A bright disc on dark ground, 240x180."""
    picture = Image.new("RGB", (240, 180), (30, 40, 30))
    ImageDraw.Draw(picture).ellipse(BOX, fill=(200, 220, 180))
    return picture


def truth() -> NDArray[np.bool_]:
    """Where the disc is."""
    mask = Image.new("L", (240, 180))
    ImageDraw.Draw(mask).ellipse(BOX, fill=255)
    return np.asarray(mask) > 127


def overlap(mask: Image.Image) -> float:
    """Intersection over union with the disc."""
    found = np.asarray(mask) > 127
    return float((found & truth()).sum() / (found | truth()).sum())


def opened(path: Path, layout: str = "auto") -> SubjectMasks:
    return SubjectMasks(mask_model(str(path), None), layout)


# Levels between ground and disc after each make's normalisation: by hand, (0.55 - mean) / std.
FILES: dict[str, tuple[str, dict[str, Any], MaskLayout]] = {
    "u2net": ("u2net.onnx", {"side": 320, "threshold": 0.44, "outputs": 7}, U2NET),
    "silueta": ("silueta.onnx", {"side": 320, "threshold": 0.44, "outputs": 7}, U2NET),
    "isnet": ("isnet-general-use.onnx", {"side": 1024, "threshold": 0.05}, ISNET),
    "isnet_anime": ("isnet-anime.onnx", {"side": 1024, "threshold": 0.1}, ISNET_ANIME),
    "birefnet": (
        "BiRefNet-general-epoch_244.onnx",
        {"side": 1024, "threshold": 0.0, "logits": True},
        BIREFNET,
    ),
}


@pytest.mark.parametrize("kind", FILES)
def test_each_make_finds_the_subject_by_its_own_conventions(kind: str, tmp_path: Path) -> None:
    name, form, layout = FILES[kind]
    masks = opened(write_segmenter(tmp_path / name, **form))
    assert masks.layout == layout
    assert masks.gives_logits == form.get("logits", False)
    mask = masks(disc(), "0" * 64)
    assert (mask.mode, mask.size) == ("L", (240, 180))
    # The edge of the disc, 377 px long, is blurred over about a pixel by resizing to a square and back.
    assert overlap(mask) > 0.95
    assert np.asarray(mask)[:20].max() < 20


@pytest.mark.parametrize(
    ("side", "logits", "layout"), [(320, False, U2NET), (1024, False, ISNET), (1024, True, BIREFNET)]
)
def test_without_a_known_name_input_and_output_decide(
    side: int, logits: bool, layout: MaskLayout, tmp_path: Path
) -> None:
    assert opened(write_segmenter(tmp_path / "x/model.onnx", side, 0.1, logits=logits)).layout == layout


def test_names_and_folders_say_the_make(tmp_path: Path) -> None:
    assert by_name(Path("onnx-community/BiRefNet-ONNX/model.onnx")) == BIREFNET
    assert by_name(Path("models/u2netp.onnx")) == U2NET
    assert by_name(Path("models/u2net_human_seg.onnx")) == U2NET
    assert by_name(Path("models/isnet-anime.onnx")) == ISNET_ANIME
    assert by_name(Path("models/mine.onnx")) is None
    assert opened(write_segmenter(tmp_path / "u2net.onnx", 320, 0.1), "isnet").layout.mean == ISNET.mean


def test_a_stated_configuration_goes_first(tmp_path: Path) -> None:
    path = write_segmenter(tmp_path / "u2net/model.onnx", "side", 0.55)
    stated = {"image_mean": [0, 0, 0], "image_std": [1, 1, 1], "size": {"height": 64, "width": 64}}
    path.with_name("preprocessor_config.json").write_text(json.dumps(stated))
    masks = opened(path.parent)
    assert (masks.layout.name, masks.layout.side_px) == ("stated", 64)
    assert overlap(masks(disc(), "0" * 64)) > 0.9  # 64 px: the edge is three pixels wide in the picture


def test_pictures_are_prepared_as_rembg_does() -> None:
    picture = Image.new("RGB", (10, 20), (50, 100, 200))
    # u2net: divided by the brightest level, 200; then ImageNet's mean and deviation.
    u2net = prepared(picture, U2NET)
    assert u2net.shape == (3, 320, 320)
    hand = [(0.25 - 0.485) / 0.229, (0.5 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    assert u2net[:, 7, 9].tolist() == pytest.approx(hand, rel=1e-5)  # float32
    assert prepared(picture, ISNET)[:, 0, 0].tolist() == pytest.approx([-0.25, 0, 0.5], abs=1e-6)
    hand = [(50 / 255 - 0.485) / 0.229, (100 / 255 - 0.456) / 0.224, (200 / 255 - 0.406) / 0.225]
    assert prepared(picture, BIREFNET)[:, 0, 0].tolist() == pytest.approx(hand, rel=1e-5)
    assert np.isfinite(prepared(Image.new("RGB", (9, 9)), U2NET)).all()


def test_rembgs_masks_are_stretched_and_birefnets_are_not(tmp_path: Path) -> None:
    faint = Image.new("RGB", (64, 64), (100, 100, 100))
    faint.paste((110, 110, 110), (0, 0, 32, 64))
    stretched = opened(write_segmenter(tmp_path / "u2net.onnx", 320, 2.0)).mask(faint)
    assert (stretched.min(), stretched.max()) == (0, 1)
    plain = opened(write_segmenter(tmp_path / "birefnet.onnx", 320, 2.0, logits=True)).mask(faint)
    assert plain.max() < 0.01  # sigmoid of 20 times less than -2


def test_masks_are_kept_by_picture_and_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    masks = opened(write_segmenter(tmp_path / "u2net.onnx", 320, 0.44))
    first = masks(disc(), "0" * 64)
    monkeypatch.setattr(SubjectMasks, "mask", lambda *_: pytest.fail("drawn again"))
    assert masks(disc(), "0" * 64) == first


@pytest.mark.parametrize(
    ("stated", "expected"),
    [('{"image_mean": [0, 0]', "not a readable configuration"), ("[]", "not a readable configuration"),
     ('{"image_mean": [0,0,0], "image_std": [1,0,1]}', "image_std"),
     ('{"image_mean": [0,0,0], "image_std": [1,1,1], "size": 99999}', "99999 px; allowed are 32 to 2048")],
)  # fmt: skip
def test_a_wrong_configuration_is_a_sentence(stated: str, expected: str, tmp_path: Path) -> None:
    path = write_segmenter(tmp_path / "model.onnx", "side", 0.1)
    path.with_name("preprocessor_config.json").write_text(stated)
    with pytest.raises(UserError, match=expected):
        opened(path)


def test_what_is_no_segmentation_network_is_a_sentence(tmp_path: Path) -> None:
    means(tmp_path / "means.onnx", 64)
    with pytest.raises(UserError, match=r"crop\.mask_model .*means\.onnx gives \[1, 3\], not a mask"):
        opened(tmp_path / "means.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    with pytest.raises(UserError, match=r"bad\.onnx: not a readable ONNX file"):
        opened(tmp_path / "bad.onnx")
    with pytest.raises(UserError, match=r"bad\.onnx, means\.onnx there; name one"):
        opened(tmp_path)
    with pytest.raises(UserError, match="no such file or folder, nor a hub name"):
        opened(tmp_path / "none.onnx")
    assert subject_mask.MOST_INPUT_PX == 2048
