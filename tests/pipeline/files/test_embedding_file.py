import json
import pickle
import zipfile
from base64 import b64encode
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.files.embedding_file import (
    embedding_metadata,
    embedding_tensors,
    read_embeddings,
    write_a1111,
    write_each,
)
from pipeline.files.kinds import is_embedding
from pipeline.files.safetensors_file import write_safetensors

ROWS = torch.arange(8, dtype=torch.float32).reshape(2, 4)


@pytest.mark.parametrize(
    ("tensors", "word"),
    [
        ({"emb_params": ROWS}, "file"),
        ({"emp_params": ROWS}, "file"),
        ({"<cat-toy>": ROWS}, "<cat-toy>"),
        ({"<cat-toy>": ROWS.half()}, "<cat-toy>"),
    ],
)
def test_every_single_tensor_is_read(tmp_path: Path, tensors: dict[str, Tensor], word: str) -> None:
    for name, write in (("file.safetensors", save_file), ("file.bin", torch.save), ("file.pt", torch.save)):
        write(tensors, tmp_path / name)
        read = read_embeddings(tmp_path / name)
        assert list(read) == [word]
        assert torch.equal(read[word], ROWS)


def test_a_single_vector_without_a_first_axis_is_one_row(tmp_path: Path) -> None:
    save_file({"<zib>": ROWS[1]}, tmp_path / "learned_embeds.safetensors")
    assert torch.equal(read_embeddings(tmp_path / "learned_embeds.safetensors")["<zib>"], ROWS[1:])


@pytest.mark.parametrize(
    "kind", [dict, lambda items: nn.ParameterDict({k: nn.Parameter(v) for k, v in items.items()})]
)
def test_a1111s_file_is_named_by_its_stem_as_there(tmp_path: Path, kind: type[dict[str, Tensor]]) -> None:
    nest = {"string_to_token": {"*": 265}, "string_to_param": kind({"*": ROWS}), "name": "zib-500"}
    torch.save({**nest, "step": 499, "sd_checkpoint": "ab", "sd_checkpoint_name": "x"}, tmp_path / "zib.pt")
    assert torch.equal(read_embeddings(tmp_path / "zib.pt")["zib"], ROWS)


def test_the_words_of_our_own_files_stand_in_the_header(tmp_path: Path) -> None:
    for words in (["zib"], ["zob", "zib"]):
        vectors = {word: ROWS + index for index, word in enumerate(words)}
        path = tmp_path / "run-000010.safetensors"
        write_safetensors(path, embedding_tensors(vectors), embedding_metadata(words))
        read = read_embeddings(path)
        assert list(read) == words
        assert all(torch.equal(read[word], vectors[word]) for word in words)


def test_one_file_a_word_is_in_sd_scripts_layout(tmp_path: Path) -> None:
    write_each(tmp_path, {"zib": ROWS, "zob": ROWS + 1})
    with safe_open(tmp_path / "zob.safetensors", "pt") as file:
        assert list(file.keys()) == ["emb_params"]
        assert torch.equal(file.get_tensor("emb_params"), ROWS + 1)
        assert file.metadata()["modelspec.architecture"] == "stable-diffusion-v1/textual-inversion"


def test_the_pt_is_what_a1111_reads_and_its_bytes_follow_from_its_content(tmp_path: Path) -> None:
    for name in ("a.pt", "b.pt"):
        write_a1111(tmp_path / name, "zib", ROWS.clone(), {"step": 7})
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()
    # modules/safe.py refuses an archive with any other record.
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        assert archive.namelist() == ["archive/data.pkl", "archive/data/0", "archive/version"]
    read = torch.load(tmp_path / "a.pt", weights_only=True)
    assert torch.equal(read.pop("string_to_param")["*"], ROWS)
    assert read == {
        "string_to_token": {"*": 265}, "name": "zib",
        "step": 7, "sd_checkpoint": None, "sd_checkpoint_name": None,
    }  # fmt: skip
    assert torch.equal(read_embeddings(tmp_path / "a.pt")["a"], ROWS)


class Stranger:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("run",)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pt", {"clip_l": ROWS, "clip_g": ROWS[:1]}, "2 and 1 vectors for its text encoders"),
        ("a.safetensors", {"clip_l": ROWS, "clip_g": ROWS[:1]}, "2 and 1 vectors for its text encoders"),
        ("a.safetensors", {"x": ROWS, "y": ROWS}, "holds 2 tensors"),
        ("a.safetensors", {"x": ROWS[None]}, "an embedding holds floats"),
        ("a.safetensors", {"x": ROWS.long()}, "an embedding holds floats"),
        ("a.safetensors", {"x": ROWS * torch.inf}, "NaN or infinity"),
        ("a.pt", {"string_to_param": 3}, "not an embedding"),
        ("a.pt", [ROWS], "holds a list"),
        ("a.pt", {"string_to_param": Stranger()}, "could run code"),
    ],
)
def test_what_is_no_embedding_is_a_sentence(
    tmp_path: Path, name: str, content: object, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    if name.endswith(".pt"):
        torch.save(content, path)
    else:
        assert isinstance(content, dict)
        save_file({key: value.clone() for key, value in content.items()}, path)
    with pytest.raises(UserError, match=message):
        read_embeddings(path)
    assert not capsys.readouterr().out


@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
def test_damaged_and_missing_files_are_sentences(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(UserError, match="no such"):
        read_embeddings(path)
    write_a1111(path, "zib", ROWS, {})
    for content in (path.read_bytes()[:300], b"", b"nonsense", pickle.dumps(OrderedDict(a=1))):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"a\.(pt|safetensors)"):
            read_embeddings(path)


def picture_with(path: Path, text: str) -> None:
    chunks = PngInfo()
    chunks.add_text("sd-ti-embedding", text)
    Image.new("RGB", (8, 8)).save(path, pnginfo=chunks)


def test_an_embedding_in_a_picture_is_read(tmp_path: Path) -> None:
    """Written as A1111's EmbeddingEncoder does."""
    rows = [[1.5, 2.0], [0.0, -1.0]]
    nest = {"string_to_token": {"*": 265}, "string_to_param": {"*": {"TORCHTENSOR": rows}}}
    picture_with(tmp_path / "zib.png", b64encode(json.dumps(nest).encode()).decode())
    assert read_embeddings(tmp_path / "zib.png")["zib"].tolist() == rows


def test_a_picture_without_an_embedding_or_with_a_damaged_one_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (8, 8)).save(path)
    with pytest.raises(UserError, match="has no embedding"):
        read_embeddings(path)
    for content in (b"no base64!", b64encode(b"[1]"), b64encode(b'{"a": {"TORCHTENSOR": "x"}}')):
        picture_with(path, content.decode())
        with pytest.raises(UserError, match="damaged"):
            read_embeddings(path)
    path.write_bytes(b"no picture")
    with pytest.raises(UserError, match="not a readable picture"):
        read_embeddings(path)


@pytest.mark.parametrize("key", ["clip_l", "clip_g", "clip_h", "t5xxl", "emp_params"])
@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_d4_a_lone_key_of_a_text_encoder_takes_the_files_name(key: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"zib{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)({key: ROWS}, path)
    assert torch.equal(read_embeddings(path)["zib"], ROWS)
    if suffix == ".safetensors":
        assert is_embedding([key], {})


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_sdxls_vectors_stand_side_by_side(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"zib{suffix}"
    wide = torch.cat([ROWS, ROWS], dim=1) + 1
    (save_file if suffix == ".safetensors" else torch.save)({"clip_g": wide, "clip_l": ROWS.clone()}, path)
    read = read_embeddings(path)
    assert list(read) == ["zib"]
    assert torch.equal(read["zib"], torch.cat([ROWS, wide], dim=1))


def test_d4_brother_an_sd3_embedding_is_called_by_its_name(tmp_path: Path) -> None:
    save_file({key: ROWS.clone() for key in ("clip_l", "clip_g", "t5xxl")}, tmp_path / "zib.safetensors")
    with pytest.raises(UserError, match=r"holds t5xxl next to .* SD 3's T5, which no .* clip_l and clip_g"):
        read_embeddings(tmp_path / "zib.safetensors")
