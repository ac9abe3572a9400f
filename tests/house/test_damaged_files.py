"""Every reader of a stranger's file answers 300 mutations of each kind with what it reads or with a sentence
that names the file; never with a traceback. `-s` shows how many were read and how many refused.
"""

import io
import json
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline.bases.load import load_vae
from pipeline.bases.registry import family
from pipeline.errors import UserError
from pipeline.files.embedding_file import read_embeddings
from pipeline.files.hypernetwork_file import read_hypernetwork
from pipeline.files.tensor_file import open_tensors
from pipeline.pictures.archives import ArchiveError
from pipeline.pictures.parquet_rows import ParquetError
from pipeline.pictures.reading import PictureError
from pipeline.pictures.sidecars import CaptionError
from tests.house.damaged_kinds import KINDS, make_embedding, read_upscaler
from tests.pipeline.bases.random_sd1 import small_configs

MUTATIONS = 300
SAID = (UserError, PictureError, ArchiveError, CaptionError, ParquetError)
"""Whoever calls the last four names the file."""


PLACES = st.integers(0, 1 << 20)
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), PLACES, st.integers(0, 7)),
        st.tuples(st.just("put"), PLACES, st.sampled_from([b"\0", b"\xff", b"9", b"[", b"-", b"\xff" * 8])),
        st.tuples(st.just("insert"), PLACES, st.binary(min_size=1, max_size=8)),
        st.tuples(st.just("cut"), PLACES, st.integers(1, 40)),
        st.tuples(st.just("twice"), PLACES, st.integers(1, 40)),
        st.tuples(st.just("end"), PLACES, st.just(0)),
    ),
    min_size=1,
    max_size=4,
)  # fmt: skip


def mutated(data: bytes, changes: list[tuple[str, int, Any]]) -> bytes:
    for kind, place, value in changes:
        at = place % (len(data) + 1)
        match kind:
            case "flip" if at < len(data):
                data = data[:at] + bytes([data[at] ^ (1 << value)]) + data[at + 1 :]
            case "put":
                data = data[:at] + value + data[at + len(value) :]
            case "insert":
                data = data[:at] + value + data[at:]
            case "cut":
                data = data[:at] + data[at + value :]
            case "twice":
                data = data[: at + value] + data[at:]
            case "end":
                data = data[:at]
    return data


def rezipped(whole: bytes, inner: str, changes: list[tuple[str, int, Any]]) -> bytes:
    """The zip with one member changed, its checksums right."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, mutated(data, changes) if name.endswith(inner) else data)
    return out.getvalue()


@pytest.mark.parametrize("name", KINDS)
def test_300_mutations_are_read_or_are_sentences(name: str, tmp_path: Path) -> None:
    if name == "upscaler":
        pytest.importorskip("spandrel", reason="the extra `upscale` is not installed", exc_type=ImportError)
    kind, counts = KINDS[name], Counter[str]()
    path = tmp_path / kind.file
    path.parent.mkdir(exist_ok=True)
    kind.make(path)
    whole = path.read_bytes()
    kind.read(path)

    @settings(
        max_examples=MUTATIONS, derandomize=True, database=None, deadline=None,
        suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate],
    )  # fmt: skip
    @given(CHANGES)
    def holds(changes: list[tuple[str, int, Any]]) -> None:
        path.write_bytes(rezipped(whole, kind.inner, changes) if kind.inner else mutated(whole, changes))
        try:
            kind.read(path)
            counts["read"] += 1
        except SAID as error:
            counts["refused"] += 1
            text = str(error)
            assert "weights_only" not in text
            if isinstance(error, UserError) and name not in ("infotext", "embedding's text"):
                assert str(tmp_path) in text

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        holds()
    print(f"{name}: {counts['read']} read, {counts['refused']} refused")
    assert counts.total() >= MUTATIONS
    assert counts["refused"] > 0


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\x80\x02}q\x00.", b"<!doctype html>", bytes(5000)])
def test_a_vae_of_pickles_that_are_none_is_a_sentence(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(small_configs()["vae"]))
    (tmp_path / "diffusion_pytorch_model.bin").write_bytes(data)
    with pytest.raises(UserError, match=r"base\.vae .* not a VAE folder") as error:
        load_vae(tmp_path, family("sd1"))
    assert "weights_only" not in str(error.value)


class Payload:
    """What an attacker puts into a pickle."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return print, ("a stranger's code ran",)


@pytest.mark.parametrize("suffix", [".pt", ".bin", ".ckpt", ".pth"])
def test_code_in_a_pickle_is_refused_without_advice_to_run_it(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"x{suffix}"
    torch.save({"a": Payload()}, path)
    readers: list[Callable[[Path], Any]] = [open_tensors, read_upscaler]
    for reader in readers if suffix in (".ckpt", ".pth") else [*readers, read_embeddings, read_hypernetwork]:
        with pytest.raises(UserError, match=r"could run code|is not a readable") as error:
            reader(path)
        assert str(path) in str(error.value)
        for advice in ("weights_only", "add_safe_globals", "trust"):
            assert advice not in str(error.value)
    assert "a stranger's code ran" not in capsys.readouterr().out


def test_a_bomb_in_a_pickle_is_not_unpacked(tmp_path: Path) -> None:
    make_embedding(tmp_path / "small.pt")
    with zipfile.ZipFile(tmp_path / "small.pt") as source:
        kept = {name: source.read(name) for name in source.namelist()}
    with zipfile.ZipFile(tmp_path / "x.pt", "w", zipfile.ZIP_DEFLATED) as bomb:
        for name, data in kept.items():
            bomb.writestr(name, data)
        bomb.writestr("archive/data/9", bytes(100 << 20))
    with pytest.raises(UserError, match="would unpack to"):
        read_embeddings(tmp_path / "x.pt")
