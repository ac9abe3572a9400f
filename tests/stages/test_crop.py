import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image, ImageOps

from pipeline.errors import UserError
from pipeline.pictures.cutting import cuts
from pipeline.pictures.records import Record, read_records
from stages import collect, compose, crop
from tests.noting import noting
from tests.stages.project import make_project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = make_project(tmp_path / "project")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("ATHANOR_STORE", str(tmp_path / "store"))
    Image.effect_noise((200, 80), 90).convert("RGB").save(folder / "photos" / "2_zib" / "long.png")
    return folder


def run(**settings: object) -> dict[str, Record]:
    """Crops with these settings of the group crop; records by id."""
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["crop"].update(settings)
    Path("params.yaml").write_text(yaml.safe_dump(params))
    for stage in (compose, collect, crop):
        stage.main([])
    return {record.id: record for record in read_records(Path("data/cropped"))}


def picture(record: Record) -> np.ndarray:
    return np.asarray(Image.open(Path("data/cropped/pictures") / record.file))


def test_buckets_keep_each_pictures_shape(project: Path) -> None:
    made = run(shape="buckets", bucket_min_px=32, bucket_max_px=128, bucket_step_px=8)
    assert (made["zib/0"].width_px, made["zib/0"].height_px) == (48, 80)  # 64x96
    long = made["zib/long"]
    assert long.width_px / long.height_px == pytest.approx(2.5, rel=0.2)
    assert picture(long).shape == (long.height_px, long.width_px, 3)


def test_a_long_picture_is_split_and_everything_is_mirrored(project: Path) -> None:
    made = run(split_threshold=0.5, split_overlap=0.2, mirror=True)
    long = sorted(name for name in made if "long" in name)
    assert long == [
        "zib/long", "zib/long-2", "zib/long-2-mirror", "zib/long-3", "zib/long-3-mirror", "zib/long-mirror",
    ]  # fmt: skip
    assert [made[name].origin["box_px"] for name in ("zib/long", "zib/long-2", "zib/long-3")] == [
        [0, 0, 80, 80], [60, 0, 80, 80], [120, 0, 80, 80],
    ]  # fmt: skip
    mirrored = Image.fromarray(picture(made["zib/long-mirror"]))
    assert np.array_equal(np.asarray(ImageOps.mirror(mirrored)), picture(made["zib/long"]))


def test_a_hand_made_edit_wins(project: Path) -> None:
    Path("data").mkdir()
    Path("data/crop_edits.yaml").write_text("zib/long: {focus: [0, 40]}\nzib/0: {box: [0, 40, 20, 20]}\n")
    made = run()
    assert made["zib/long"].origin["box_px"] == [0, 0, 80, 80]
    assert (made["zib/0"].origin["box_px"], made["zib/0"].origin["by"]) == ([0, 40, 20, 20], "edit")
    original = Image.open(project / "photos" / "2_zib" / "0.png").convert("RGB")
    expected = original.resize((64, 64), Image.Resampling.LANCZOS, box=(0, 40, 20, 60))
    assert np.array_equal(picture(made["zib/0"]), np.asarray(expected))


def test_an_edit_outside_its_picture_is_told(project: Path) -> None:
    Path("data").mkdir()
    Path("data/crop_edits.yaml").write_text("zib/long: {focus: [500, 40]}\n")
    with pytest.raises(UserError, match=r"zib/long: focus \[500, 40\] is outside .*200x80"):
        run()


def test_the_record_says_how_the_crop_was_made(project: Path) -> None:
    made = run()["zib/long"]
    parent = next(r for r in read_records(Path("data/collected")) if r.id == "zib/long")
    assert made.origin["parent"] == parent.sha256
    assert made.origin["scale"] == 0.8
    assert {"box_px", "by", "detectors", "faces", "focus_px", "mirrored", "picture"} <= made.origin.keys()


def test_transparent_parts_get_the_background(project: Path) -> None:
    Image.new("RGBA", (80, 80), (255, 0, 0, 0)).save(project / "photos" / "2_zib" / "clear.png")
    assert picture(run(background=[1, 2, 3])["zib/clear"])[0, 0].tolist() == [1, 2, 3]


def test_nothing_is_cropped_twice(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run()
    cropped: list[int] = []
    monkeypatch.setattr(crop, "cuts", noting(cropped, lambda *_: 1, cuts))
    Image.effect_noise((100, 80), 90).convert("RGB").save(project / "photos" / "2_zib" / "new.png")
    assert "zib/new" in run()
    assert len(cropped) == 1
    shutil.rmtree("data/cropped")
    run()
    assert len(cropped) == 1
    next(Path(os.environ["ATHANOR_STORE"], "crop").rglob("*.png")).unlink()
    run()
    assert len(cropped) == 2


def test_the_contact_sheet_shows_every_picture(project: Path) -> None:
    run()
    sheet = Image.open("reports/crop/contact-sheet-001.png")
    assert sheet.width == 4 * 152 + 8
    assert len(sheet.getcolors(maxcolors=1 << 24) or []) > 100


@pytest.mark.parametrize("damage", ["rotten", "empty", "cut"])
def test_a_damaged_crop_of_the_store_is_made_anew(project: Path, tmp_path: Path, damage: str) -> None:
    """Facts, crop and thumbnail, each with its time of change as it was."""
    before = {record.file: picture(record).copy() for record in run().values()}
    sheet = Path("reports/crop/contact-sheet-001.png").read_bytes()
    shutil.rmtree("data/cropped")
    for file in (path for path in (tmp_path / "store").rglob("*.*") if path.suffix != ".part"):
        status, data = file.stat(), file.read_bytes()
        file.write_bytes({"rotten": data[:-9] + b"?" + data[-8:], "empty": b"", "cut": data[:-1]}[damage])
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert all(np.array_equal(picture(record), before[record.file]) for record in run().values())
    assert Path("reports/crop/contact-sheet-001.png").read_bytes() == sheet
