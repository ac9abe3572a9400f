"""No command writes over what it reads, by whatever path it is named."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pipeline.errors import UserError
from pipeline.files.outputs import claim, claim_folder, is_same
from pipeline.merging.__main__ import main as merging
from pipeline.networks.__main__ import main as networks
from pipeline.networks.conversion import convert

MODULE = "lora_unet_mid_block_attentions_0_proj_in"


def lora(path: Path, value: float = 1.0) -> Path:
    factors = {"lora_down.weight": torch.full((2, 8), value), "lora_up.weight": torch.ones(8, 2)}
    save_file({f"{MODULE}.{leaf}": tensor for leaf, tensor in factors.items()}, path)
    return path


def relative(path: Path) -> Path:
    return Path(os.path.relpath(path))


def symlink(path: Path) -> Path:
    link = path.with_name("link.safetensors")
    link.symlink_to(path)
    return link


def hard_link(path: Path) -> Path:
    link = path.with_name("hard.safetensors")
    link.hardlink_to(path)
    return link


def through_folder(path: Path) -> Path:
    folder = path.parent.with_name(f"{path.parent.name}-other")
    folder.symlink_to(path.parent)
    return folder / path.name


def detour(path: Path) -> Path:
    return path.parent / "." / ".." / path.parent.name / path.name


SPELLINGS: list[Callable[[Path], Path]] = [
    lambda path: path, relative, symlink, hard_link, through_folder, detour
]  # fmt: skip


@pytest.mark.parametrize("spelt", SPELLINGS)
@pytest.mark.parametrize(
    "command",
    [
        lambda path, out: networks(["convert", str(path), str(out), "--to", "diffusers"]),
        lambda path, out: networks(["convert", str(path), str(out), "--to", "sd-scripts"]),
        lambda path, out: merging(["resize", str(path), "--rank", "1", "--out", str(out)]),
        lambda path, out: merging(["combine", f"{path}:0.5", "--out", str(out)]),
        lambda path, out: merging(["extract", str(path), str(path), "--dim", "1", "--out", str(out)]),
    ],
)
def test_a_command_does_not_write_over_its_input(
    command: Callable[[Path, Path], None], spelt: Callable[[Path], Path], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    path = lora(tmp_path / "in/a.safetensors")
    out, before = spelt(path), path.read_bytes()
    assert is_same(path, out)
    with pytest.raises(UserError, match="itself, which would be lost; choose another name"):
        command(path, out)
    assert path.read_bytes() == before


def test_brother_a_folders_files_of_words_are_judged_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "zib.safetensors"
    save_file({"emb_params": torch.ones(1, 4)}, path)
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"target .*zib\.safetensors is .* itself"):
        convert(path, tmp_path)
    (tmp_path / "a-file").write_text("kept")
    with pytest.raises(UserError, match="is a file, but several files are written; name a folder"):
        convert(path, tmp_path / "a-file")
    assert path.read_bytes() == before
    assert (tmp_path / "a-file").read_text() == "kept"


def test_what_is_there_already_is_replaced_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = lora(tmp_path / "a.safetensors"), tmp_path / "b.safetensors"
    for told in (0, 1):
        merging(["resize", str(path), "--rank", "1", "--out", str(out)])
        assert capsys.readouterr().err.count(f"{out} exists and is replaced") == told


def test_an_output_lies_outside_of_what_is_read(tmp_path: Path) -> None:
    (tmp_path / "model/unet").mkdir(parents=True)
    with pytest.raises(UserError, match=r"is inside .*model, which is read; choose a path outside"):
        claim(tmp_path / "model/unet/x.safetensors", [tmp_path / "model"])
    with pytest.raises(UserError, match=r"is a folder that contains .*model; choose another name"):
        claim(tmp_path, [tmp_path / "model"])
    claim(tmp_path / "model.safetensors", [tmp_path / "model"])


def test_brother_a_folder_with_other_things_is_never_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    claim_folder(out, [], "model_index.json")
    (out / "holiday.png").write_bytes(b"kept")
    with pytest.raises(UserError, match=r"with other contents .*which would be lost; choose a new one"):
        claim_folder(out, [], "model_index.json")
    assert capsys.readouterr().err == ""
    (out / "model_index.json").write_text("{}")
    claim_folder(out, [], "model_index.json")
    assert "exists and is replaced" in capsys.readouterr().err
    (tmp_path / "file").write_text("kept")
    with pytest.raises(UserError, match="is a file, but the result is a folder"):
        claim_folder(tmp_path / "file", [], "model_index.json")


@pytest.mark.parametrize("name", ["CON.safetensors", "a*b.safetensors", "<x>.safetensors", "-rf.safetensors"])
def test_an_outputs_name_is_judged(name: str, tmp_path: Path) -> None:
    path = lora(tmp_path / "a.safetensors")
    for command, arguments in (
        (merging, ["resize", str(path), "--rank", "1", "--out", str(tmp_path / name)]),
        (networks, ["convert", str(path), str(tmp_path / name), "--to", "diffusers"]),
    ):
        with pytest.raises(UserError, match="cannot be a file's name"):
            command(arguments)
    assert [each.name for each in tmp_path.iterdir()] == ["a.safetensors"]
