"""No text that people give keeps a command busy for minutes: each kind has a limit, told at once."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.captions.edit_file import read_edits
from pipeline.captions.folders import read_caption as read_edited_caption
from pipeline.captions.labels import read_selected_tags, read_tag_mapping, read_tags_txt
from pipeline.captions.templates import read_templates
from pipeline.config.compose import Params, compose_known, read_params
from pipeline.config.recipes import read_yaml as read_recipe
from pipeline.errors import UserError
from pipeline.files.json_text import read_json
from pipeline.files.text_file import CAPTION, FileKind, TextError, bounded_text, read_text, shown
from pipeline.pictures.by_hand import read_entries
from pipeline.pictures.downloads import read_list
from pipeline.pictures.metadata_rows import read_rows
from pipeline.pictures.sidecars import CaptionError, read_caption

READERS: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    "caption": (read_caption, "a.txt", "a caption may have at most 256 KiB"),
    "old caption": (read_caption, "a.caption", "a caption may have at most 256 KiB"),
    "edited caption": (read_edited_caption, "a.txt", "a caption may have at most 256 KiB"),
    "downloader's caption": (read_caption, "a.json", "a downloader's .json may have at most 16 MiB"),
    "templates": (
        lambda path: read_templates(str(path)), "a.txt", "a set of templates may have at most 1 MiB"
    ),
    "list of URLs": (read_list, "a.txt", "a list of URLs may have at most 64 MiB"),
    "WD14's labels": (read_selected_tags, "a.csv", "a tagger's list of labels may have at most 32 MiB"),
    "DeepDanbooru's labels": (read_tags_txt, "tags.txt", "a tagger's list of labels may have at most 32 MiB"),
    "cl_tagger's labels": (read_tag_mapping, "a.json", "a tagger's list of labels may have at most 32 MiB"),
    "params.yaml": (read_params, "params.yaml", "a file of settings may have at most 1 MiB"),
    "recipe": (read_recipe, "recipe.yaml", "a file of settings may have at most 1 MiB"),
    "edits of tags": (read_edits, "edits.yaml", "a file of edits by hand may have at most 16 MiB"),
    "crops, waivers": (
        lambda path: read_entries(path, "a: b"), "a.yaml", "edits by hand may have at most 16 MiB"
    ),
    "a model's .json": (read_json, "config.json", "a .json of a model may have at most 95.4 MiB"),
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
def test_a_text_that_is_far_too_long_is_told_at_once(name: str, tmp_path: Path) -> None:
    """100 MiB, and hardly a byte on the disk: the file is sparse."""
    read, file, limit = READERS[name]
    path, size = tmp_path / file, 100 << 20
    with path.open("wb") as sparse:
        sparse.truncate(size)
    start = time.perf_counter()
    with pytest.raises((UserError, CaptionError), match=limit) as error:
        read(path)
    assert time.perf_counter() - start < 2  # some tenths: the limit's bytes are read, and no more
    assert "has 100 MiB, but" in str(error.value)
    assert isinstance(error.value, CaptionError) or str(error.value).startswith(str(path))


def test_a_file_at_its_limit_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"a" * CAPTION.most)
    assert read_text(path, CAPTION) == "a" * CAPTION.most
    path.write_bytes(b"a" * (CAPTION.most + 1))
    with pytest.raises(UserError, match="may have at most 256 KiB; shorten it"):
        read_text(path, CAPTION)


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"ab\xff", r"is not UTF-8 \(byte 2: invalid start byte\); save it as UTF-8"),
     (b"abcdef", "has 6 bytes, but a test may have at most 5 bytes; mend it")],
)  # fmt: skip
def test_what_is_wrong_with_a_text_is_one_sentence(data: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(TextError, match=f"^{reason}$"):
        bounded_text(tmp_path / "a.txt", FileKind("a test", 5, "mend it"))
    with pytest.raises(UserError, match="does not exist or is not a file"):
        read_text(tmp_path, FileKind("a test", 5, "mend it"))


def test_sizes_are_shown_as_people_read_them() -> None:
    assert [shown(n) for n in (5, 1024, 1536, 1 << 20, 60_000_000)] == [
        "5 bytes", "1 KiB", "1.5 KiB", "1 MiB", "57.2 MiB"
    ]  # fmt: skip


def test_30_000_keys_in_params_yaml_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("network:\n" + "".join(f"  kay{n}: {n}\n" for n in range(30_000)))
    start = time.perf_counter()
    with pytest.raises(UserError, match="more than 20000 keys and values, the limit for a file of settings"):
        read_params(path)
    assert time.perf_counter() - start < 2  # 0.05 s; OmegaConf alone would take six


def test_brother_thousands_of_unknown_keys_are_a_short_message() -> None:
    values = {f"network.kay{n}": n for n in range(5_000)}
    start = time.perf_counter()
    _, problems = compose_known(Params({}, values))
    assert time.perf_counter() - start < 5  # 0.4 s; each neighbour looked for takes 0.1 ms
    assert len(problems) == 21
    assert problems[-1] == "4980 more keys are not settings either; remove them"


def test_brother_a_row_of_a_table_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "metadata.jsonl"
    with path.open("wb") as sparse:
        sparse.write(b'{"file_name": "a.png"}\n')
        sparse.truncate(100 << 20)
    rows = read_rows(path, ["text"])
    assert next(rows) == ("a.png", None)
    with pytest.raises(CaptionError, match="line 2 is longer than 16 MiB"):
        next(rows)
