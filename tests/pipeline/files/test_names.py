from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pipeline.errors import UserError
from pipeline.files.embedding_file import embedding_metadata
from pipeline.files.names import insist_on_plain_name, is_plain_name
from pipeline.networks.conversion import convert


@pytest.mark.parametrize("name", ["zib", "<cat-toy>", "a b", "\u732b", "zib.v1", "..zib", "n" * 200])
def test_plain_names_pass(name: str) -> None:
    assert insist_on_plain_name(name, "the word") == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "/", "/a", "a/b", "../a", "a\\b", "C:a", "a\nb", "a\0", "\x1b[2J", "n" * 201]
)
def test_names_that_lead_out_or_no_disk_holds_are_refused(name: str) -> None:
    assert not is_plain_name(name)
    with pytest.raises(UserError, match="cannot be a file's name"):
        insist_on_plain_name(name, "the word")


@pytest.mark.parametrize("word", ["../evil", "{out}/evil", "a/../../evil", "..", "\x1b[2Jevil"])
def test_a_strangers_embedding_writes_no_file_outside(word: str, tmp_path: Path) -> None:
    """Its word becomes a file's name where it is converted to a folder."""
    (tmp_path / "in").mkdir()
    word = word.format(out=tmp_path)
    save_file({"emb_params": torch.ones(2, 4)}, tmp_path / "in/x.safetensors", embedding_metadata([word]))
    before = set(tmp_path.rglob("*"))
    with pytest.raises(UserError, match="cannot be a file's name"):
        convert(tmp_path / "in/x.safetensors", tmp_path / "words")
    assert set(tmp_path.rglob("*")) == before
