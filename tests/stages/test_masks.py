"""Masks on their way: file or transparency -> crop -> latents -> loss."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from pipeline.errors import UserError
from pipeline.files.atomic import read_jsonl
from stages import class_images, collect, compose, crop, encode, filter_tags, tag, train
from tests.pipeline.vision.tiny_segmenter import write_segmenter
from tests.stages.project import make_project

BEFORE_TRAINING = (compose, collect, crop, tag, filter_tags, class_images, encode)


def make(folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: dict[str, object]) -> Path:
    project = make_project(folder, **changes)
    monkeypatch.chdir(project)
    return project


def half_white(width: int, height: int) -> Image.Image:
    """The left half is white."""
    levels = np.zeros((height, width), np.uint8)
    levels[:, : width // 2] = 255
    return Image.fromarray(levels)


def test_a_mask_file_goes_with_its_picture_to_the_latents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make(tmp_path / "p", monkeypatch, crop={"mirror": True, "focus": "centre"})
    half_white(64, 96).save(project / "photos/2_zib/0.mask.png")
    for stage in BEFORE_TRAINING:
        stage.main([])
    records = {row["id"]: row for row in read_jsonl(Path("data/cropped/records.jsonl"))}
    assert {name for name, row in records.items() if row["mask_file"]} == {"zib/0", "zib/0-mirror"}
    masks = load_file("data/encoded/masks.safetensors")
    left = torch.zeros(1, 8, 8)
    left[..., :4] = 1
    assert torch.equal(masks["zib/0"], left)
    assert torch.equal(masks["zib/0-mirror"], left.flip(-1))
    train.main([])
    rows = Path("plots/train/loss.csv").read_text().splitlines()
    assert len(rows) == 1 + 2 * 6  # 2 epochs; 3 pictures and their mirrors, twice each, 2 a step


def test_transparency_is_the_mask_where_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make(tmp_path / "p", monkeypatch, crop={"mask": "alpha", "focus": "centre"})
    with Image.open(project / "photos/2_zib/0.png") as picture:
        see_through = picture.convert("RGB")
    see_through.putalpha(half_white(*see_through.size))
    see_through.save(project / "photos/2_zib/0.png")
    for stage in BEFORE_TRAINING:
        stage.main([])
    masks = load_file("data/encoded/masks.safetensors")
    assert list(masks) == ["zib/0"]
    assert masks["zib/0"][0].mean(dim=0).tolist() == [1, 1, 1, 1, 0, 0, 0, 0]


def test_without_masks_there_is_no_file_and_off_leaves_them_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make(tmp_path / "p", monkeypatch, crop={"mask": "off"})
    half_white(64, 96).save(project / "photos/2_zib/0.mask.png")
    for stage in BEFORE_TRAINING:
        stage.main([])
    assert not Path("data/encoded/masks.safetensors").exists()
    assert len(read_jsonl(Path("data/cropped/records.jsonl"))) == 3


def test_masks_at_fault_stop_collecting_all_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make(tmp_path / "p", monkeypatch)
    half_white(32, 96).save(project / "photos/2_zib/0.mask.png")
    Image.new("L", (72, 96), 0).save(project / "photos/2_zib/1.mask.png")
    compose.main([])
    with pytest.raises(UserError) as error:
        collect.main([])
    said = str(error.value)
    assert "[zib/0: mask_size]" in said
    assert "[zib/1: mask_empty]" in said
    assert not Path("data/collected").exists()


def test_a_waived_mask_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make(tmp_path / "p", monkeypatch, collect={"checks": {"mask_size": "warn"}})
    half_white(32, 96).save(project / "photos/2_zib/0.mask.png")
    compose.main([])
    collect.main([])
    row = read_jsonl(Path("data/collected/records.jsonl"))[0]
    assert row["mask_file"] is None
    assert row["verdict"] == "warn"


def test_a_network_draws_the_masks_of_pictures_without_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = str(write_segmenter(tmp_path / "u2net.onnx", 320, 0.44, outputs=7))
    crop_settings: dict[str, object] = {"mask": "model", "mask_model": network, "focus": "centre"}
    project = make(tmp_path / "p", monkeypatch, crop=crop_settings)
    half_white(64, 96).save(project / "photos/2_zib/0.mask.png")
    picture = Image.new("RGB", (64, 96), (20, 20, 20))
    picture.paste((220, 220, 220), (0, 48, 64, 96))
    picture.save(project / "photos/2_zib/1.png")
    for stage in BEFORE_TRAINING:
        stage.main([])
    records = {row["id"]: row for row in read_jsonl(Path("data/cropped/records.jsonl"))}
    assert all(row["mask_file"] for row in records.values())
    masks = load_file("data/encoded/masks.safetensors")
    assert masks["zib/0"][0].mean(dim=0).tolist() == [1, 1, 1, 1, 0, 0, 0, 0]  # the file's
    lower = masks["zib/1"][0]
    height = len(lower)
    assert lower[: height // 2 - 1].max() < 0.1
    assert lower[height // 2 + 1 :].min() > 0.9
    html = Path("reports/dataset/index.html").read_text(encoding="utf-8")
    assert html.count('class="mask"') == len(records)


def test_a_mask_model_is_asked_for_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "p", monkeypatch, crop={"mask": "model"})
    with pytest.raises(UserError, match=r"crop\.mask is model, but crop\.mask_model is null"):
        compose.main([])
