"""The stage `tag`: its rows, several models, what is kept, and what a kill leaves."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from pipeline.captions import layouts, preprocessing
from pipeline.captions.onnx_tagger import OnnxTagger
from pipeline.errors import UserError
from pipeline.files.atomic import read_jsonl
from pipeline.files.hashing import sha256_of_file
from pipeline.pictures.records import Record, read_records, write_records
from pipeline.store.items import Items
from pipeline.vision import answers
from pipeline.vision.blip import Blip
from pipeline.vision.captioner import Captioner
from stages import compose, tag
from tests.conftest import ROOT
from tests.pipeline.captions.onnx_models import write_csv, write_means, write_tagger
from tests.pipeline.vision.tiny_blip import write_blip
from tests.pipeline.vision.tiny_vlm import write_joycaption

COLOURS = {"zib/0": (255, 51, 0), "zib/1": (0, 102, 255), "zib/2": (51, 51, 51)}


def add_picture(folder: Path, picture_id: str, picture: Image.Image) -> Record:
    path = folder / "data/cropped/pictures" / f"{picture_id}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    return Record(
        id=picture_id, file=f"{picture_id}.png", sha256=sha256_of_file(path), width_px=picture.width,
        height_px=picture.height, concept="zib", repeats=2, is_class=False, caption=None, verdict="ok",
        notes=[], group=picture_id, origin={},
    )  # fmt: skip


def set_tag(folder: Path, **values: Any) -> None:
    (folder / "params.yaml").write_text(yaml.safe_dump({"base": {"path": "base"}, "tag": values}))
    compose.main([])


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three cropped pictures of one colour each, and two taggers."""
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "conf", folder / "conf")
    shutil.copy(ROOT / "dvc.yaml", folder)
    for name in ("model_index.json", *(f"{part}/config.json" for part in ("unet", "vae", "text_encoder"))):
        (folder / "base" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "demo/base" / name, folder / "base" / name)  # what `compose` looks at
    records = [add_picture(folder, name, Image.new("RGB", (8, 8), rgb)) for name, rgb in COLOURS.items()]
    write_records(folder / "data/cropped", records)
    write_tagger(folder / "tagger", "N")
    write_csv(
        write_means(folder / "other", [1, 8, 8, 3]), ["1,long_hair,0,1", "2,greenish,0,1", "3,safe,9,1"]
    )
    monkeypatch.chdir(folder)
    set_tag(folder, model="tagger")
    return folder


def rows(folder: Path) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in read_jsonl(folder / "data/tags/tags.jsonl")}


def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names the tagger of every picture that is scored from now on."""
    names: list[str] = []
    answers = OnnxTagger.answers

    def counting(self: OnnxTagger, x: Any) -> Any:
        names.extend([self.network.parent.name] * len(x))
        return answers(self, x)

    monkeypatch.setattr(OnnxTagger, "answers", counting)
    return names


def test_a_row_holds_raw_scores_by_category_from_the_least_on(project: Path) -> None:
    tag.main([])
    assert rows(project)["zib/0"] == {
        "id": "zib/0", "concept": "zib", "is_class": False, "caption": None, "sentence": None,
        "scores": {"general": {"greenish": 0.2}, "character": {"someone": 1.0}},
    }  # fmt: skip
    assert rows(project)["zib/1"]["scores"] == {"rating": {"safe": 1.0}, "general": {"greenish": 0.4}}


def test_metrics_and_plots_say_what_was_used_and_seen(project: Path) -> None:
    tag.main([])
    metrics = json.loads((project / "metrics/tag.json").read_text())
    assert metrics["models"] == [
        {
            "name": "tagger",
            "layout": "wd14",
            "preprocessing": "white-square-bicubic-bgr",
            "side_px": 8,
            "labels": 3,
        }
    ]
    assert (metrics["pictures"], metrics["sentences"], metrics["tags_over_half_mean"]) == (3, 0, 0.0)
    assert (project / "plots/tag/tags.csv").read_text() == "tag,category,pictures\nsomeone,character,1\n"
    with (project / "plots/tag/thresholds.csv").open() as file:
        lines = {row["threshold"]: row["general"] for row in csv.DictReader(file)}
    assert lines["0.2"] == "1.0"  # all three
    assert lines["0.4"] == "0.3333"  # zib/1


def test_taggers_are_averaged_and_a_second_one_costs_only_its_own(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag.main([])
    names = asked(monkeypatch)
    set_tag(project, model=["tagger", "other"])
    tag.main([])
    assert names == ["other"] * 3
    # zib/0 by `other`: long_hair B 0, greenish G 0.2, safe R 1
    assert rows(project)["zib/0"]["scores"] == {
        "general": {"greenish": 0.2},
        "character": {"someone": 1.0},
        "rating": {"safe": 0.5},
    }
    assert len(yaml.safe_load((project / "params.resolved.yaml").read_text())["tag"]["sha256"]) == 2


def test_what_is_kept_is_not_asked_again_and_one_picture_costs_one(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag.main([])
    before = (project / "data/tags/tags.jsonl").read_bytes()
    monkeypatch.setattr(OnnxTagger, "__init__", lambda *_: pytest.fail("the tagger was opened"))
    tag.main([])
    assert (project / "data/tags/tags.jsonl").read_bytes() == before
    monkeypatch.undo()
    monkeypatch.setenv("ATHANOR_STORE", str(project.parent / "store"))
    monkeypatch.chdir(project)
    names = asked(monkeypatch)
    records = [add_picture(project, name, Image.new("RGB", (8, 8), rgb)) for name, rgb in COLOURS.items()]
    records.append(add_picture(project, "zib/new", Image.new("RGB", (8, 8), (1, 2, 3))))
    write_records(project / "data/cropped", records)
    tag.main([])
    assert len(names) == 1
    assert rows(project).keys() == {*COLOURS, "zib/new"}


def test_what_a_tagger_is_is_found_out_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tagger with logits: that is told by a picture of its own, which costs as much as any other."""
    mapping = {str(n): {"tag": f"tag_{n}", "category": "General"} for n in range(3)}
    write_means(project / "cl", ["N", 3, 8, 8], scale=-0.25)
    (project / "cl" / "tag_mapping.json").write_text(json.dumps(mapping))
    set_tag(project, model="cl", min_score=0.5)
    tag.main([])
    first = rows(project)
    assert first["zib/0"]["scores"] == {"general": {"tag_0": 0.982, "tag_1": 0.917}}  # logits 4, 2.4, -4
    monkeypatch.setattr(OnnxTagger, "_gives_logits", lambda _: pytest.fail("it was tried again"))
    set_tag(project, model="cl", min_score=0.4)
    tag.main([])
    assert rows(project)["zib/0"] == first["zib/0"]


def test_the_batch_changes_no_byte(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    for batch in (1, 64):
        monkeypatch.setenv("ATHANOR_STORE", str(project / f"store {batch}"))
        set_tag(project, model=["tagger", "other"], batch=batch)
        tag.main([])
        written.append((project / "data/tags/tags.jsonl").read_bytes())
    assert written[0] == written[1]


def test_another_preprocessing_is_asked_anew(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tag.main([])
    names = asked(monkeypatch)
    changed = replace(preprocessing.WD14, id="another")
    monkeypatch.setattr(answers, "PREPROCESSINGS", (changed,))
    monkeypatch.setattr(layouts, "TAGGER_LAYOUTS", (replace(layouts.TAGGER_LAYOUTS[0], recipe=changed),))
    tag.main([])
    assert len(names) == 3
    metrics = json.loads((project / "metrics/tag.json").read_text())
    assert metrics["models"][0]["preprocessing"] == "another"


def test_no_tagger_gives_rows_without_scores(project: Path) -> None:
    set_tag(project, model=None)
    tag.main([])
    assert [(row["scores"], row["sentence"]) for row in rows(project).values()] == [({}, None)] * 3
    assert json.loads((project / "metrics/tag.json").read_text())["models"] == []


def test_a_captioner_writes_sentences_beside_the_tags(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_blip(project / "blip")
    set_tag(project, model="tagger", sentence_model="blip", min_length=8, max_length=8)
    tag.main([])
    first = rows(project)["zib/0"]
    assert 1 <= len(first["sentence"].split()) <= 4  # eight tokens, four of them the prompt
    assert first["scores"]["character"] == {"someone": 1.0}
    models = json.loads((project / "metrics/tag.json").read_text())["models"]
    assert [(model["layout"], model["side_px"]) for model in models] == [("wd14", 8), ("blip", 40)]
    monkeypatch.setattr(Blip, "__init__", lambda *_: pytest.fail("BLIP was loaded"))
    tag.main([])
    assert rows(project)["zib/0"] == first


def write_pictures(folder: Path, **class_of: bool) -> None:
    """The three pictures again, one of them of the class."""
    records = [add_picture(folder, name, Image.new("RGB", (56, 56), rgb)) for name, rgb in COLOURS.items()]
    records = [replace(each, is_class=class_of.get(each.id.removeprefix("zib/"), False)) for each in records]
    write_records(folder / "data/cropped", records)


CAPTIONER = {
    "captioner": "joy", "captioner_kinds": {"sentence": "one", "short": "two"}, "captioner_dtype": "fp32",
    "captioner_prompts": {"one": "describe {trigger} in one sentence", "two": "describe"},
    "captioner_max_tokens": 6, "captioner_trigger": {"zib": "zib"},
}  # fmt: skip


def prompts_asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The prompt of every picture that is captioned from now on."""
    asked, texts = list[str](), Captioner.texts

    def counting(self: Captioner, prompt: str, pictures: Sequence[Image.Image]) -> list[str]:
        asked.extend([prompt] * len(pictures))
        return texts(self, prompt, pictures)

    monkeypatch.setattr(Captioner, "texts", counting)
    return asked


def test_a_vision_language_model_writes_several_kinds_and_a_new_picture_costs_one_call_of_each(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_joycaption(project / "joy")
    write_pictures(project, **{"2": True})
    before = asked(monkeypatch)
    set_tag(project, model="tagger", **CAPTIONER)
    prompts = prompts_asked(monkeypatch)
    tag.main([])
    assert sorted(prompts) == [
        *["describe"] * 3, "describe the subject in one sentence", *["describe zib in one sentence"] * 2,
    ]  # fmt: skip
    first = rows(project)
    assert all(each["captions"].keys() == {"sentence", "short"} for each in first.values())
    assert all(each["captions"]["sentence"] and each["sentence"] is None for each in first.values())
    metrics = json.loads((project / "metrics/tag.json").read_text())
    assert metrics["captions"] == {"sentence": 3, "short": 3}
    assert metrics["models"][1] == {"name": "joy", "layout": "llava", "kinds": ["sentence", "short"]}
    assert len(before) == 3
    resolved = yaml.safe_load(Path("params.resolved.yaml").read_text())
    assert len(resolved["tag"]["captioner_sha256"]) == 64
    prompts.clear()
    tag.main([])
    assert (prompts, rows(project)) == ([], first)
    records = read_records(project / "data/cropped")
    write_records(
        project / "data/cropped", [*records, add_picture(project, "zib/new", Image.new("RGB", (56, 30)))]
    )
    tag.main([])
    assert sorted(prompts) == ["describe", "describe zib in one sentence"]
    prompts.clear()
    set_tag(project, model="tagger", **CAPTIONER | {"captioner_trigger": {"zib": "zab"}})
    tag.main([])
    assert prompts == ["describe zab in one sentence"] * 3
    assert {name: each["captions"]["short"] for name, each in rows(project).items() if name in first} == {
        name: each["captions"]["short"] for name, each in first.items()
    }


def test_pictures_that_get_no_text_are_counted_and_told(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_joycaption(project / "joy")
    write_pictures(project)
    monkeypatch.setattr(
        Captioner, "texts", lambda _, prompt, pictures: ["" if prompt == "describe" else "a"] * len(pictures)
    )
    set_tag(project, model="tagger", **CAPTIONER)
    tag.main([])
    assert rows(project)["zib/0"]["captions"] == {"sentence": "a", "short": ""}
    assert json.loads((project / "metrics/tag.json").read_text())["captions"] == {"sentence": 3}
    assert "tag.captioner wrote no short for 3 pictures" in capsys.readouterr().err


def test_the_captioners_keys_change_no_row_without_it(project: Path) -> None:
    tag.main([])
    first = (project / "data/tags/tags.jsonl").read_bytes()
    assert b"captions" not in first
    set_tag(project, model="tagger", captioner_batch=4, captioner_max_tokens=7, captioner_dtype="fp16")
    tag.main([])
    assert (project / "data/tags/tags.jsonl").read_bytes() == first
    assert not (project / "data/tags/thresholds.json").exists()


def test_a_trigger_of_no_concept_is_named(project: Path) -> None:
    write_joycaption(project / "joy")
    set_tag(project, model="tagger", **CAPTIONER | {"captioner_trigger": {"zob": "zib"}})
    with pytest.raises(UserError, match=r"tag\.captioner_trigger: no picture is of the concept 'zob'.*zib"):
        tag.main([])


def test_thresholds_that_taggers_files_state_are_written_for_filter_tags(project: Path) -> None:
    (project / "tagger" / "thresholds.csv").write_text("category,name,threshold\n0,general,0.2\n4,c,0.9\n")
    set_tag(project, model=["tagger", "other"])
    tag.main([])
    stated = json.loads((project / "data/tags/thresholds.json").read_text())
    assert stated == {"character": 0.9, "general": 0.2}


def test_a_damaged_picture_is_named_and_the_others_are_kept(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project / "data/cropped/pictures/zib/2.png"
    whole = path.read_bytes()
    path.write_bytes(whole[:40])
    with pytest.raises(UserError, match=r"^zib/2: data/cropped/pictures/zib/2\.png: "):
        tag.main([])
    assert not (project / "data/tags").exists()
    path.write_bytes(whole)
    names = asked(monkeypatch)
    tag.main([])
    assert len(names) == 1


def test_a_tagger_that_was_changed_after_compose_is_refused(project: Path) -> None:
    write_csv(project / "tagger", ["1,a,0,1", "2,b,0,1", "3,c,0,1"])
    with pytest.raises(UserError, match=r"tag\.model tagger has the hash .*run `dvc repro -f compose`"):
        tag.main([])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 1)])
def test_stopped_in_the_middle_it_loses_nothing(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    pictures = [Image.fromarray(np.roll(pixels, number, axis=0)) for number in range(60)]
    records = [add_picture(project, f"zib/{number}", picture) for number, picture in enumerate(pictures)]
    write_records(project / "data/cropped", records)
    store = tmp_path / "killed store"
    environment = {**os.environ, "ATHANOR_STORE": str(store), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "stages.tag"], env=environment, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while len(list(store.glob("tag/*/[!.]*"))) < 3 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in told
    done = len([path for path in store.glob("tag/*/*") if not path.name.endswith(".part")]) - 1
    assert 1 <= done < len(records)
    assert not (project / "data/tags").exists()
    monkeypatch.setenv("ATHANOR_STORE", str(store))
    names = asked(monkeypatch)
    tag.main([])
    assert len(names) == len(records) - done
    assert rows(project).keys() == {record.id for record in records}
    assert len(list(Items("tag").folder.glob("*/*"))) >= len(records)
