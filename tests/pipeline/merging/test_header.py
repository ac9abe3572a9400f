import json
from pathlib import Path

import pytest
from safetensors import safe_open

from pipeline.bases.save import save_folder
from pipeline.config.recipes import parse
from pipeline.files.safetensors_file import read_safetensors, write_safetensors
from pipeline.merging.build import run_recipe
from pipeline.merging.header import folder_header
from tests.pipeline.bases.random_sd1 import random_base
from tests.pipeline.merging.random_checkpoints import write_file


def test_a_folders_tokenizer_is_found_in_newer_folders_too(tmp_path: Path) -> None:
    save_folder(random_base(), tmp_path / "a", "fp16", {})
    older = json.loads(folder_header(tmp_path / "a"))["tokenizer"]
    for name in ("vocab.json", "merges.txt"):
        (tmp_path / "a" / "tokenizer" / name).unlink()
    newer = json.loads(folder_header(tmp_path / "a"))["tokenizer"]
    assert newer["merges.txt"] == older["merges.txt"]
    assert json.loads(newer["vocab.json"]) == json.loads(older["vocab.json"])


def test_a_strangers_header_that_is_no_json_is_told_and_not_passed_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "a.safetensors", tmp_path / "out.safetensors"
    write_file(path, 0)
    tensors, _ = read_safetensors(path)
    write_safetensors(path, tensors, {"sd_merge_models": "{cut", "sd_merge_recipe": '{"multiplier": 0.3}'})
    run_recipe(parse({"inputs": {"a": str(path)}, "merge": "a"}, "recipe"), out)
    assert "sd_merge_models in its header is not JSON" in capsys.readouterr().err
    with safe_open(out, "pt") as file:
        (entry,) = json.loads(file.metadata()["sd_merge_models"]).values()
    assert entry["sd_merge_recipe"] == {"multiplier": 0.3}
