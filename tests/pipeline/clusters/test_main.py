"""The command, on pictures of three colours and an encoder that sees colours."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.clusters import __main__ as command
from pipeline.clusters.found import Limits, Looker, looks
from pipeline.clusters.page import page, said
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.errors import UserError
from pipeline.pictures.records import Record, write_records
from pipeline.schemas import VisionConfig
from tests.conftest import ROOT
from tests.pipeline.vision.tiny_encoder import write_means

COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (40, 60, 210)}
LIMITS = Limits(3.5, 0.1, 0.5)


def made(folder: Path, name: str, colour: tuple[int, int, int], **changes: object) -> Record:
    path = folder / f"pictures/zib/{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 64), colour).save(path)
    record = Record(
        id=f"zib/{name}", file=f"zib/{name}.png", sha256=f"{name:0>64}", width_px=64, height_px=64,
        concept="zib", repeats=7, is_class=False, caption=None, verdict="ok", notes=[], group=f"zib/{name}",
        origin={"mirrored": False},
    )  # fmt: skip
    return replace(record, **changes)  # type: ignore[arg-type]


def three_poses(folder: Path) -> list[Record]:
    """Twelve red ones, three green ones, and a blue one; a near copy of the first; shades differ."""
    rng = np.random.default_rng(3)
    records = []
    for name, number in (("red", 12), ("green", 3), ("blue", 1)):
        for index in range(number):
            red, green, blue = (int(level + rng.integers(-14, 15)) for level in COLOURS[name])
            records.append(made(folder, f"{name}-{index:02}", (red, green, blue)))
    return records


def looker(tmp_path: Path) -> Looker:
    encoder = str(write_means(tmp_path / "encoder"))
    config = VisionConfig(
        encoder=encoder, encoder_sha256=None, aesthetic=None, aesthetic_sha256=None, batch=8,
        questioner=None, questioner_sha256=None, questioner_dtype="fp32", questioner_weights="same",
    )  # fmt: skip
    return Looker(config, tmp_path / "cropped")


def test_poses_become_clusters_whose_repeats_even_them_out(tmp_path: Path) -> None:
    records = three_poses(tmp_path / "cropped")
    records.append(made(tmp_path / "cropped", "class", COLOURS["red"], is_class=True))
    records.append(made(tmp_path / "cropped", "a-mirror", COLOURS["red"], origin={"mirrored": True}))
    (found,) = looks(looker(tmp_path), records, LIMITS)
    assert (found.concept, found.pictures) == ("zib", 16)
    assert [{each.id.split("-")[0] for each in one.records} for one in found.clusters] == [
        {"zib/red"}, {"zib/green"}, {"zib/blue"},
    ]  # fmt: skip
    # 112 showings by roots 3.46, 1.73 and 1: 62.6, 31.3, 18.1; by 12, 3 and 1 pictures.
    assert [one.repeats for one in found.clusters] == [5, 10, 18]
    # Twelve of sixteen are red: the centre is there.
    assert sorted(odd.record.id for odd in found.odd) == [
        "zib/blue-00", "zib/green-00", "zib/green-01", "zib/green-02",
    ]  # fmt: skip


def test_near_copies_and_the_page(tmp_path: Path) -> None:
    records = three_poses(tmp_path / "cropped")
    records += [made(tmp_path / "cropped", "copy", (0, 0, 0), file=records[-1].file)]
    found = looks(looker(tmp_path), records, LIMITS)
    assert ("zib/blue-00", "zib/copy") in [(pair.first.id, pair.second.id) for pair in found[0].near]
    html = page(found, tmp_path / "cropped")
    assert html == page(looks(looker(tmp_path), records[::-1], LIMITS), tmp_path / "cropped")
    assert html.count("<figure>") >= 17
    assert "repeats 5, now 7" in " ".join(said(found))
    assert any(
        line.startswith("  1 picture, repeats")
        for line in said(looks(looker(tmp_path), records[:-1], LIMITS))
    )


def test_features_are_kept_by_picture(tmp_path: Path) -> None:
    records = three_poses(tmp_path / "cropped")
    first = looks(looker(tmp_path), records, LIMITS)
    for record in records:
        (tmp_path / "cropped/pictures" / record.file).unlink()
    assert looks(looker(tmp_path), records, LIMITS) == first


def test_without_an_encoder_the_command_says_what_to_set(tmp_path: Path) -> None:
    config = check(compose(Params({}, {}))).vision
    with pytest.raises(UserError, match=r"vision\.encoder is null"):
        Looker(config, tmp_path)


def test_the_command_writes_its_page_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    records = three_poses(tmp_path / "data/cropped")
    write_records(tmp_path / "data/cropped", sorted(records, key=lambda each: each.id))
    for name in ("conf", "params.yaml", "dvc.yaml", "demo"):
        (tmp_path / name).symlink_to(ROOT / name)
    encoder = write_means(tmp_path / "encoder")
    monkeypatch.chdir(tmp_path)
    command.main(["--together", "0.5", f"vision.encoder={encoder}"])
    printed = capsys.readouterr().out
    assert "zib: 16 pictures in 3 clusters" in printed
    html = Path("reports/clusters/index.html").read_text(encoding="utf-8")
    assert len(re.findall("<figure>", html)) >= 16
