import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pipeline.errors import UserError
from pipeline.files.hypernetwork_file import (
    HypernetworkFile,
    MlpStructure,
    hypernetwork_metadata,
    hypernetwork_tensors,
    old_dropout,
    read_hypernetwork,
    write_a1111,
)
from pipeline.files.safetensors_file import write_safetensors
from tests.pipeline.files.a1111_hypernetwork import SETTINGS, mlp, random_mlp, two_wide


def layers_equal(one: HypernetworkFile, two: HypernetworkFile) -> bool:
    return one.layers.keys() == two.layers.keys() and all(
        mine.keys() == theirs.keys() and all(torch.equal(mine[key], theirs[key]) for key in mine)
        for width in one.layers
        for mine, theirs in zip(one.layers[width], two.layers[width], strict=True)
    )


def test_a1111s_file_is_read(tmp_path: Path) -> None:
    two_wide(tmp_path / "a.pt", activation_func="mish", dropout_structure=[0, 0.25, 0])
    read = read_hypernetwork(tmp_path / "a.pt")
    assert read.structure == MlpStructure((1, 2, 1), "mish", False, False, "Normal", (0, 0.25, 0))
    assert read.facts == {
        "name": "old", "step": 500, "sd_checkpoint": "abcd1234", "sd_checkpoint_name": "model"
    }  # fmt: skip
    assert list(read.layers) == [2]


def test_the_first_files_had_other_names_and_fewer_settings(tmp_path: Path) -> None:
    weights = {
        key.replace("linear.0", "linear1").replace("linear.2", "linear2"): tensor
        for key, tensor in random_mlp(4, 0).items()
    }
    torch.save({4: (weights, weights)}, tmp_path / "a.pt")
    read = read_hypernetwork(tmp_path / "a.pt")
    assert read.structure == MlpStructure((1, 2, 1), "linear", True, False, "Normal", (0, 0, 0))
    assert set(read.layers[4][0]) == {f"linear.{n}.{leaf}" for n in (0, 1) for leaf in ("weight", "bias")}


def test_the_two_old_switches_of_dropout() -> None:
    assert old_dropout(4, True, False) == (0, 0.3, 0, 0)
    assert old_dropout(4, True, True) == (0, 0.3, 0.3, 0)
    assert old_dropout(3, True, False) == (0, 0, 0)
    assert old_dropout(4, False, True) == (0, 0, 0, 0)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_both_layouts_bring_everything_back_and_equal_content_gives_equal_bytes(
    tmp_path: Path, suffix: str
) -> None:
    two_wide(tmp_path / "old.pt", activate_output=True, dropout_structure=[0, 0.5, 0])
    old = read_hypernetwork(tmp_path / "old.pt")
    for name in ("a", "b"):
        path = tmp_path / f"{name}{suffix}"
        if suffix == ".pt":
            write_a1111(path, old)
        else:
            write_safetensors(path, hypernetwork_tensors(old.layers), hypernetwork_metadata(old.structure))
        read = read_hypernetwork(path)
        assert read.structure == old.structure
        assert layers_equal(read, old)
        old = HypernetworkFile(read.structure, read.layers, old.facts)
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_the_pt_is_what_a1111_and_comfyui_read(tmp_path: Path) -> None:
    two_wide(tmp_path / "old.pt", dropout_structure=[0, 0.5, 0])
    write_a1111(tmp_path / "new.pt", read_hypernetwork(tmp_path / "old.pt"))
    with zipfile.ZipFile(tmp_path / "new.pt") as archive:
        assert {name.partition("/")[2].partition("/")[0] for name in archive.namelist()} == {
            "data.pkl", "data", "version"
        }  # fmt: skip
    new = torch.load(tmp_path / "new.pt", weights_only=True)
    old = torch.load(tmp_path / "old.pt", weights_only=True)
    assert {key: new[key] for key in SETTINGS} == {key: old[key] for key in SETTINGS}
    # ComfyUI takes the layers in the order in which they stand.
    assert [list(weights) for weights in new[2]] == [list(weights) for weights in old[2]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"emb_params": torch.ones(1, 2)}, "not a hypernetwork: it has no pair"),
        ({320: torch.ones(2)}, "320 has no pair"),
        ({320: ({"a": 1}, {"a": 1})}, "320 has no pair"),
        ({2: (mlp([[1.0]], [[1.0]], [0.0]),) * 2, "dropout_structure": [0, 0]}, "equally many"),
        ({2: (mlp([[1.0]], [[1.0]], [0.0]),) * 2, "layer_structure": ["a", 1]}, "must be numbers"),
    ],
)
def test_what_is_no_hypernetwork_is_a_sentence(tmp_path: Path, content: object, message: str) -> None:
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(UserError, match=message):
        read_hypernetwork(tmp_path / "a.pt")


def test_damaged_and_missing_files_are_sentences(tmp_path: Path) -> None:
    for name in ("a.pt", "a.safetensors"):
        with pytest.raises(UserError, match="no such"):
            read_hypernetwork(tmp_path / name)
        (tmp_path / name).write_bytes(b"nonsense")
        with pytest.raises(UserError, match=name):
            read_hypernetwork(tmp_path / name)
    save_file({"x": torch.ones(1)}, tmp_path / "b.safetensors")
    with pytest.raises(UserError, match="its header has no"):
        read_hypernetwork(tmp_path / "b.safetensors")
    save_file({"x": torch.ones(1)}, tmp_path / "b.safetensors", {"athanor.hypernetwork": "{}"})
    with pytest.raises(UserError, match="not a hypernetwork's"):
        read_hypernetwork(tmp_path / "b.safetensors")
