"""Captions of several kinds on their whole way: captioner, filter-tags, training with kept text outputs."""

import json
from html import escape
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.errors import UserError
from pipeline.files.atomic import read_jsonl
from pipeline.store.items import store_root
from stages import filter_tags, train
from tests.pipeline.vision.tiny_vlm import write_joycaption
from tests.stages.project import STAGES, make_project

TAG: dict[str, Any] = {
    "model": "tagger", "captioner": "joy", "captioner_kinds": {"sentence": "one"}, "captioner_dtype": "fp32",
    "captioner_prompts": {"one": "describe this picture"}, "captioner_max_tokens": 6,
}  # fmt: skip
FIXED = ["network.text_encoder=false", "train.batch=1", "train.save_precision=fp32", "validation=off"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Captioned and encoded, so that only training is left."""
    folder = make_project(tmp_path / "p", tag=TAG, train={"caption_kinds": {"tags": 1, "sentence": 1}})
    write_joycaption(folder / "joy")
    monkeypatch.chdir(folder)
    for stage in STAGES[: STAGES.index(train)]:
        stage.main([])
    return folder


def weights(out: str) -> bytes:
    return Path(out, "models/network/net.safetensors").read_bytes()


def kept_texts() -> int:
    return sum(path.is_file() for path in (store_root() / "text_outputs").rglob("*"))


def test_kinds_reach_training_and_their_outputs_are_kept_by_variant(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = read_jsonl(Path("data/captions/captions.jsonl"))
    assert all(row["kinds"]["sentence"].startswith("zib, ") for row in rows)
    assert escape(rows[0]["kinds"]["sentence"]) in Path("reports/dataset/index.html").read_text()
    texts = {row["caption"] for row in rows} | {row["kinds"]["sentence"] for row in rows}
    settings = [*FIXED, "train.shuffle_tags=true", "train.caption_variants=2"]
    train.main([*settings, "--out", "kept"])
    # A picture has two variants, one of each kind; captions of one tag have one order.
    assert kept_texts() == len(texts)
    monkeypatch.setattr(train, "are_fixed", lambda _: False)
    train.main([*settings, "--out", "without"])
    assert weights("kept") == weights("without")
    train.main([*settings, "train.caption_kinds={}", "--out", "tags"])
    assert weights("tags") != weights("kept")


def test_a_kind_that_no_caption_has_ends_the_run_before_training(project: Path) -> None:
    rows = read_jsonl(Path("data/captions/captions.jsonl"))
    without = [{key: value for key, value in row.items() if key != "kinds"} for row in rows]
    lines = "".join(f"{json.dumps(row)}\n" for row in without)
    Path("data/captions/captions.jsonl").write_text(lines)
    with pytest.raises(UserError, match=r"train\.caption_kinds\.sentence: no caption is of this kind"):
        train.main([*FIXED, "--out", "never"])
    assert not Path("never/models").exists()


def test_an_entry_of_tag_edits_replaces_the_sentence_of_one_picture(project: Path) -> None:
    Path("data/tag_edits.yaml").write_text(
        yaml.safe_dump({"zib/0": {"captions": {"sentence": "zib, by hand"}}})
    )
    filter_tags.main([])
    sentences = {
        row["id"]: row["kinds"]["sentence"] for row in read_jsonl(Path("data/captions/captions.jsonl"))
    }
    assert [name for name, text in sentences.items() if text == "zib, by hand"] == ["zib/0"]
