"""The stage as a command: what it writes, shows, exports and reads back."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from pipeline.errors import UserError
from pipeline.files.atomic import read_jsonl, write_jsonl
from pipeline.pictures.records import PICTURE_FOLDER, Record, write_records
from stages import filter_tags
from tests.conftest import ROOT
from tests.pipeline.captions.filter_tags_config import row

ROWS = [
    row("zib/a", {"1girl": 0.9, "smile": 0.8, "long_hair": 0.7, "mario_(game)": 0.6}),
    row("zib/b", {"1girl": 0.9, ">_<": 0.8, "outdoors": 0.7}),
    row("girl/c", {"1girl": 0.9, "long_hair": 0.8}, is_class=True),
]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "conf", folder / "conf")
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, folder)
    (folder / "demo").symlink_to(ROOT / "demo")
    set_params(folder, trigger="zib", blacklist=[])
    write_jsonl(tags := folder / "data/tags/tags.jsonl", ROWS)
    assert tags.exists()
    records = [write_picture(folder / "data/cropped", one) for one in ROWS]
    write_records(folder / "data/cropped", records)
    monkeypatch.chdir(folder)
    return folder


def set_params(folder: Path, **changes: Any) -> None:
    for name in ("params.yaml", "params.resolved.yaml"):
        values = yaml.safe_load((ROOT / name).read_text())
        values["filter_tags"] |= changes
        (folder / name).write_text(yaml.safe_dump(values))


def write_picture(folder: Path, one: dict[str, Any]) -> Record:
    path = folder / PICTURE_FOLDER / f"{one['id']}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (len(one["id"]), 0, 0)).save(path)
    return Record(
        id=one["id"], file=f"{one['id']}.png", sha256=one["id"], width_px=8, height_px=8,
        concept=one["concept"],
        repeats=3, is_class=one["is_class"], caption=None, verdict="ok", notes=[], group=one["id"],
        origin={"box_px": [0, 0, 8, 8], "whole_px": [8, 8], "scale": 1.0, "mirrored": False},
    )  # fmt: skip


def captions() -> dict[str, str]:
    return {one["id"]: one["caption"] for one in read_jsonl(Path("data/captions/captions.jsonl"))}


def test_captions_reasons_metrics_and_plots_are_written(project: Path) -> None:
    filter_tags.main([])
    assert captions() == {
        "girl/c": "1girl, long hair",
        "zib/a": "zib, 1girl, smile, mario (game)",
        "zib/b": "zib, 1girl, >_<, outdoors",
    }
    assert (project / "data/captions/zib/a.txt").read_text() == "zib, 1girl, smile, mario (game)"
    rows = {one["id"]: one for one in read_jsonl(Path("data/captions/captions.jsonl"))}
    assert rows["zib/a"]["dropped"] == [{"tag": "long hair", "rule": "identity hair * hair", "score": 0.7}]
    assert rows["zib/a"]["added"] == [{"tag": "zib", "rule": "trigger"}]
    assert rows["zib/a"]["trigger"] == "zib"
    assert rows["girl/c"]["trigger"] is None
    assert json.loads((project / "metrics/filter_tags.json").read_text())["dropped_by"] == {"identity": 1}
    plots = project / "plots/filter-tags"
    assert (plots / "kept.csv").read_text().splitlines()[:3] == ["tag,pictures", "1girl,3", "zib,2"]
    assert (plots / "dropped.csv").read_text() == "tag,pictures\nlong hair,1\n"
    assert (plots / "trigger.csv").read_text().splitlines()[1] == "zib,1girl,2,1.0"
    html = (project / "reports/dataset/index.html").read_text()
    assert all(text in html for text in ("zib/a", "girl/c", "identity hair * hair", "class pictures"))


def test_edits_by_hand_are_done_and_idle_ones_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "data/tag_edits.yaml").write_text("zib/a: {add: [hat]}\nzib/aa: {remove: [x]}\n")
    filter_tags.main([])
    assert captions()["zib/a"] == "zib, 1girl, smile, mario (game), hat"
    assert (
        "data/tag_edits.yaml: zib/aa: no picture has this id (did you mean zib/a" in capsys.readouterr().err
    )


def test_the_preview_writes_nothing_and_takes_settings_to_try(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(project.rglob("*"))
    filter_tags.main(["--preview", "*/a"])
    assert capsys.readouterr().out.startswith("zib/a\n  zib, 1girl, smile, mario (game)\n  + zib ")
    filter_tags.main(["--preview", "filter_tags.threshold=0.85", "filter_tags.trigger=zzz"])
    assert "zib/b\n  zzz, 1girl\n" in capsys.readouterr().out
    assert sorted(project.rglob("*")) == before


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("terminal", "no_color", "coloured"), [(True, "", True), (True, "1", False), (False, "", False)]
)
def test_colour_is_for_terminals_alone_and_can_be_switched_off(
    terminal: bool,
    no_color: str,
    coloured: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    monkeypatch.setenv("NO_COLOR", no_color)
    filter_tags.main(["--preview"])
    assert ("\033[" in capsys.readouterr().out) == coloured


def test_captions_edited_in_another_tool_come_back(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filter_tags.main(["--export", "tries/kohya"])
    folder = project / "tries/kohya"
    assert (folder / "3_zib/a.png").read_bytes() == (project / "data/cropped/pictures/zib/a.png").read_bytes()
    assert (folder / "reg/3_girl/c.txt").read_text() == "1girl, long hair"
    edited = {"zib/a": "zib, 1girl, smile, 0_0", "zib/b": "任意,x\\(y", "girl/c": ""}
    for picture_id, text in edited.items():
        path = folder / ("reg" if picture_id == "girl/c" else "") / f"3_{picture_id}.txt"
        path.write_text(text + "\n", encoding="utf-8")
    filter_tags.main(["--import", "tries/kohya"])
    assert (
        "3 captions read, 3 of them differ and are now in data/tag_edits.yaml; 0 pictures"
        in capsys.readouterr().out
    )
    assert not (project / "data/captions").exists()
    filter_tags.main([])
    assert captions() == edited
    filter_tags.main(["--import", "tries/kohya"])
    assert "3 captions read, 0 of them differ" in capsys.readouterr().out


def test_what_earlier_stages_have_not_made_is_a_sentence(project: Path) -> None:
    write_records(project / "data/cropped", [write_picture(project / "data/cropped", row("zib/new"))])
    with pytest.raises(UserError, match=r"no caption for zib/new; run `dvc repro tag`"):
        filter_tags.main(["--export", "x"])
    (project / "data/tags/tags.jsonl").unlink()
    with pytest.raises(UserError, match=r"tags\.jsonl is missing; `dvc repro tag` writes it"):
        filter_tags.main(["--preview"])


@pytest.mark.usefixtures("project")
def test_two_ways_at_once_and_overrides_without_a_place_are_refused() -> None:
    with pytest.raises(SystemExit):
        filter_tags.main(["--preview", "--export", "x"])
    with pytest.raises(UserError, match="add `--out DIR`"):
        filter_tags.main(["filter_tags.threshold=0.9"])
