from pathlib import Path

from pipeline.config.recipes import locked_content, with_inputs_of_the_run
from pipeline.files.hashing import sha256_of_file

STEP = {"method": "bake", "model": "base", "network": "network"}


def test_inputs_of_the_run_are_added_where_they_are_used() -> None:
    paths = {"base": "models/b", "network": "n.safetensors"}
    assert with_inputs_of_the_run({"merge": STEP}, paths)["inputs"] == paths
    own = {"merge": "base", "inputs": {"base": "another"}}
    assert with_inputs_of_the_run(own, paths)["inputs"] == {"base": "another"}


def test_other_inputs_are_locked_to_their_content(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"1")
    content = {"inputs": {"b": str(tmp_path / "b")}, "merge": {**STEP, "model": "b"}}
    problems: list[str] = []
    locked = locked_content(content, "merge.recipe", problems)
    assert problems == []
    assert locked["inputs"] == {"b": {"path": str(tmp_path / "b"), "sha256": sha256_of_file(tmp_path / "b")}}
    assert locked_content(locked, "merge.recipe", problems) == locked
