from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.errors import UserError
from pipeline.files.embedding_file import embedding_metadata
from pipeline.files.names import fault_of, insist_on_plain_name
from pipeline.networks.conversion import convert
from pipeline.new_answers import problems
from pipeline.sweep.search import storage_of


@pytest.mark.parametrize(
    "name",
    [
        "zib",
        "a-b",
        "a b",
        "console",
        "con-1",
        "com10",
        "nullable.v1",
        "\u732b",
        "zib.v1",
        "..zib",
        "n" * 200,
        "\u732b" * 66,
    ],
)
def test_plain_names_pass(name: str) -> None:
    assert insist_on_plain_name(name, "the word") == name


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", "/", "/a", "a/b", "../a", "a\\b", "C:a", "a\nb", "a\0", "\x1b[2J", "a\u202eb", "a\x7f",
        "n" * 201, "\u732b" * 67, "CON", "nul", "con.txt", "Aux.tar.gz", "COM1", "lpt9.x", "COM\u00b9",
        "CONIN$", "nul .x", "a*b", "a?", "<x>", 'a"b', "a|b", "-rf", "--out", "a.", "a ", " a", "...", " ",
    ],
)  # fmt: skip
def test_names_that_lead_out_or_no_disk_holds_are_refused(name: str) -> None:
    assert fault_of(name) is not None
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


@pytest.mark.parametrize("name", ["CON", "a.", "nul.v1", "n" * 201])
def test_a_trainings_name_is_judged(name: str) -> None:
    """It becomes the names of the network's files."""
    with pytest.raises(UserError, match=r"train\.name: .* is not allowed; it becomes a file's name, and"):
        check(compose(Params({}, {"train.name": name})))


@pytest.mark.parametrize("word", ["NUL", "a*b", "<x>", "-rf", "zib.", "con.v1"])
def test_brother_an_embeddings_words_are_judged(word: str) -> None:
    """Each is the name of a file, by which AUTOMATIC1111 and ComfyUI call it."""
    with pytest.raises(UserError, match=r"network\.words.* is not allowed; it becomes a file's name, and"):
        check(compose(Params({"network": "embedding"}, {"network.words": [word]})))


SAID = {"base": "sd15", "kind": "character", "trigger": "zib", "pictures": "pictures/zib", "tagger": "none"}


@pytest.mark.parametrize("name", ["CON", "a.", "..", "a/b", "-rf", "<x>", "a\nb", "n" * 300])
def test_brother_a_new_projects_name_is_judged(name: str) -> None:
    (problem,) = problems(name, SAID, None, ["character"], True)
    assert "cannot name files" in problem
    assert len(problem) < 250
    assert problems("zib-1.0", SAID, None, ["character"], True) == []


@pytest.mark.parametrize("name", ["../../x", "nul", "a/b", ""])
def test_brother_a_studys_name_is_judged(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"--study .* cannot be a file's name"):
        storage_of(name)
    assert list(tmp_path.rglob("*")) == []
