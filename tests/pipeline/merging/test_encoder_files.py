"""Recipes know text encoders in files of their own, as SD 3.5 is published: other ones are another merge."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from pipeline.bases.encoder_files import encoders_sha256
from pipeline.bases.save import file_tensors
from pipeline.config.recipes import locked_content
from pipeline.errors import UserError
from pipeline.merging.__main__ import main as merging
from pipeline.merging.recipes import read_content
from tests.pipeline.bases.tiny import small_base

PREFIXES = {name: f"text_encoders.{name}.transformer." for name in ("clip_l", "clip_g")}
OTHER = "0" * 64


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two checkpoints: `a` with its text encoders in a folder, `b` whole, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    first, second = (file_tensors(small_base("sd3", seed), torch.float16) for seed in (0, 1))
    for folder in ("parts/text_encoders", "whole"):
        Path(folder).mkdir(parents=True)
    for name, prefix in PREFIXES.items():
        own = {key.removeprefix(prefix): each for key, each in first.items() if key.startswith(prefix)}
        save_file(own, f"parts/text_encoders/{name}.safetensors")
    left = {key: each for key, each in first.items() if not key.startswith(tuple(PREFIXES.values()))}
    save_file(left, "parts/a.safetensors")
    save_file(second, "whole/b.safetensors")
    return written({"a": "parts/a.safetensors", "b": "whole/b.safetensors"})


def written(inputs: dict[str, object]) -> Path:
    content = {"inputs": inputs, "merge": {"method": "weighted_sum", "a": "a", "b": "b", "alpha": 0.5}}
    Path("recipe.yaml").write_text(yaml.safe_dump(content))
    return Path("recipe.yaml")


def change_an_encoder() -> None:
    path = "parts/text_encoders/clip_l.safetensors"
    save_file({key: each + 1 for key, each in load_file(path).items()}, path)


def test_a_merge_records_them_and_is_rebuilt_only_from_them(recipe: Path) -> None:
    merging(["run", str(recipe), "--out", "out.safetensors"])
    inputs = read_content(Path("out.safetensors"))["inputs"]
    assert inputs["a"]["text_encoders_sha256"] == encoders_sha256(Path("parts/a.safetensors"))
    assert inputs["b"].keys() == {"path", "sha256"}
    rebuild = ["rebuild", "out.safetensors", "--search", "parts", "whole", "--out", "again.safetensors"]
    merging(rebuild)
    assert Path("again.safetensors").read_bytes() == Path("out.safetensors").read_bytes()
    change_an_encoder()
    with pytest.raises(UserError, match=r"inputs\.a: a\.safetensors is not there; the recipe needs"):
        merging(rebuild)


def test_a_run_is_another_one_with_other_encoders(recipe: Path) -> None:
    before = locked_content(str(recipe), "merge.recipe", [])
    change_an_encoder()
    after = locked_content(str(recipe), "merge.recipe", [])
    assert before["inputs"]["b"] == after["inputs"]["b"]
    assert before["inputs"]["a"]["sha256"] == after["inputs"]["a"]["sha256"]
    assert before["inputs"]["a"] != after["inputs"]["a"]
    assert "text_encoders_sha256" not in json.dumps(before["inputs"]["b"])


@pytest.mark.usefixtures("recipe")
def test_a_given_hash_is_checked() -> None:
    recipe = written(
        {"a": {"path": "parts/a.safetensors", "text_encoders_sha256": OTHER}, "b": "whole/b.safetensors"}
    )
    problems: list[str] = []
    locked_content(str(recipe), "merge.recipe", problems)
    (problem,) = problems
    assert problem.startswith(
        "merge.recipe: inputs.a parts/a.safetensors: the folder text_encoders where it is"
    )
    assert problem.endswith(
        f"but the recipe has {OTHER}; put the right files there, or remove text_encoders_sha256"
    )
    with pytest.raises(UserError, match=r"inputs\.a: parts/a\.safetensors: the folder text_encoders"):
        merging(["run", str(recipe), "--out", "out.safetensors"])
    assert not Path("out.safetensors").exists()
