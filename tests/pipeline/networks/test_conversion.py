import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pipeline.errors import UserError
from pipeline.files.embedding_file import embedding_metadata, read_embeddings, write_a1111
from pipeline.files.hypernetwork_file import read_hypernetwork
from pipeline.files.safetensors_file import write_safetensors
from pipeline.networks.conversion import convert
from tests.pipeline.files.a1111_hypernetwork import two_wide

ROOT = Path(__file__).parents[3]
ROWS = torch.arange(4.0).reshape(2, 2)


def test_a_hypernetwork_goes_there_and_back(tmp_path: Path) -> None:
    two_wide(tmp_path / "a.pt", dropout_structure=[0, 0.5, 0], name="c", step=0)
    convert(tmp_path / "a.pt", tmp_path / "b.safetensors")
    convert(tmp_path / "b.safetensors", tmp_path / "c.pt")
    convert(tmp_path / "a.pt", tmp_path / "direct.pt")
    old, new = read_hypernetwork(tmp_path / "a.pt"), read_hypernetwork(tmp_path / "c.pt")
    assert new.structure == old.structure
    assert all(torch.equal(new.layers[2][0][key], old.layers[2][0][key]) for key in old.layers[2][0])


def test_an_embedding_goes_there_and_back(tmp_path: Path) -> None:
    write_a1111(tmp_path / "zib.pt", "zib", ROWS, {})
    convert(tmp_path / "zib.pt", tmp_path / "b.safetensors")
    convert(tmp_path / "b.safetensors", tmp_path / "new" / "zib.pt")
    assert (tmp_path / "new" / "zib.pt").read_bytes() == (tmp_path / "zib.pt").read_bytes()


def test_several_words_become_one_file_each(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    write_safetensors(path, {"zib": ROWS, "zob": ROWS + 1}, embedding_metadata(["zib", "zob"]))
    with pytest.raises(UserError, match="give a folder"):
        convert(path, tmp_path / "a.pt")
    command = [sys.executable, "-m", "pipeline.networks", "convert", str(path), str(tmp_path / "each")]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == [str(tmp_path / "each" / f"{word}.safetensors") for word in ("zib", "zob")]
    assert torch.equal(read_embeddings(tmp_path / "each" / "zob.safetensors")["zob"], ROWS + 1)


def test_what_has_no_other_layout_is_a_sentence(tmp_path: Path) -> None:
    save_file({"lora_te_x.diff": ROWS}, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match="is weight difference; only embeddings"):
        convert(tmp_path / "a.safetensors", tmp_path / "b.pt")
    write_a1111(tmp_path / "zib.pt", "zib", ROWS, {})
    with pytest.raises(UserError, match=r"no layout has the suffix '\.ckpt'"):
        convert(tmp_path / "zib.pt", tmp_path / "b.ckpt")
