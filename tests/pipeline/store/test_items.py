import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.same_bytes import INSTRUCTIONS, THREADS, arithmetic
from pipeline.store.items import GROWN, Items, computed_key, key, store_folder, store_root, trim_if_grown
from tests.noting import noting


def test_keys_follow_the_parts_not_their_order() -> None:
    assert key(a=1, b=[2]) == key(b=[2], a=1) != key(a=1, b=[3])


def test_what_was_put_is_got() -> None:
    items = Items("crop")
    assert items.get("k" * 64) is None
    items.put("k" * 64, b"x")
    assert items.get("k" * 64) == b"x"
    assert Items("tag").get("k" * 64) is None


def test_what_is_handed_out_and_then_edited_in_place_is_made_anew(tmp_path: Path) -> None:
    items, out = Items("crop"), tmp_path / "crop.png"
    items.put("aa1", b"as it was made")
    items.deliver("aa1", out)
    assert out.read_bytes() == items.get("aa1") == b"as it was made"
    out.write_bytes(b"painted over!!")
    assert items.get("aa1") is None
    items.put("aa1", b"as it was made")
    assert items.get("aa1") == b"as it was made"
    assert out.read_bytes() == b"painted over!!"


def test_a_file_system_without_links_gets_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refused)
    items, out = Items("crop"), tmp_path / "crop.png"
    items.put("aa1", b"x")
    items.deliver("aa1", out)
    out.write_bytes(b"y")
    assert items.get("aa1") == b"x"


def test_the_store_is_looked_through_once_it_has_grown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATHANOR_STORE_GIB", str(10_000 / 2**30))
    monkeypatch.setattr("pipeline.store.items._put_bytes", 0)
    seen: list[int] = []
    monkeypatch.setattr("pipeline.store.items.trim", lambda _, limit: seen.append(limit))
    for length in (60, 60, 60):
        Items("crop").put("aa1", b"x" * length)
        trim_if_grown()
        monkeypatch.setattr("pipeline.store.items._put_bytes", 0)
    assert seen == [10_000]


@pytest.mark.parametrize("limit", ["lots", "nan", "inf", "-1"])
def test_a_limit_that_is_no_number_is_told(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Items("crop").put("aa1", b"x")
    monkeypatch.setenv("ATHANOR_STORE_GIB", limit)
    with pytest.raises(UserError, match=f"ATHANOR_STORE_GIB={limit}: must be a number of gibibytes"):
        trim_if_grown()


@pytest.mark.parametrize("note", [b"", b"12x", b"\xff\xfe", b"-5", b"9" * 5000])
def test_a_damaged_note_of_the_growth_counts_as_none(note: bytes) -> None:
    Items("crop").put("aa1", b"x")
    (store_root() / GROWN).write_bytes(note)
    trim_if_grown()
    assert int((store_root() / GROWN).read_text()) >= 1


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "rotten": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "cut": lambda data: data[:-1],
    "empty": lambda data: data[:0],
    "longer": lambda data: data + b"x",
    "zeros": lambda data: bytes(len(data)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_result_whose_time_is_as_it_was_counts_as_absent(damage: str, tmp_path: Path) -> None:
    items = Items("tag")
    items.put("aa1", b"as it was made")
    damaged(items.path("aa1"), DAMAGES[damage])
    assert (items.has("aa1"), items.get("aa1")) == (False, None)
    with pytest.raises(UserError, match="rerun the command to make it again"):
        items.read("aa1")
    items.put("aa1", b"as it was made")
    assert items.has("aa1")
    assert items.read("aa1") == b"as it was made"


def damaged(path: Path, damage: Callable[[bytes], bytes]) -> None:
    """Changes a file's bytes and keeps both its times, as rot on a disk does."""
    status = path.stat()
    path.write_bytes(damage(path.read_bytes()))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_result_that_cannot_be_read_counts_as_absent() -> None:
    items = Items("tag")
    items.path("aa1").mkdir(parents=True)
    assert (items.has("aa1"), items.get("aa1")) == (False, None)
    items.put("aa1", b"x")
    assert items.get("aa1") == b"x"


def test_a_kept_folder_is_whole_or_absent() -> None:
    items = Items("gallery-dl")
    with items.new("aa1", folder=True) as part:
        for name in ("1.jpg", "2.jpg"):
            (part / name).write_bytes(name.encode())
    assert items.has("aa1")
    damaged(items.path("aa1") / "2.jpg", DAMAGES["rotten"])
    assert not items.has("aa1")
    with items.new("aa1", folder=True) as part:
        (part / "1.jpg").write_bytes(b"1.jpg")
    assert items.has("aa1")
    (items.path("aa1") / "1.jpg").unlink()
    assert not items.has("aa1")


def test_a_result_reaches_the_disk_before_its_seal(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(os, "fsync", noting(done, lambda *_: "disk", os.fsync))
    monkeypatch.setattr(os, "utime", noting(done, lambda *_, **__: "seal", os.utime))
    items = Items("crop")
    monkeypatch.setattr(os, "replace", noting(done, lambda *_: "there", os.replace))
    done.clear()
    items.put("aa1", b"x")
    assert done == ["disk", "seal", "there"]


def test_worktrees_share_the_store_of_the_main_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATHANOR_STORE")
    main, tree = tmp_path / "main", tmp_path / "tree"
    (main / ".git" / "worktrees" / "tree").mkdir(parents=True)
    tree.mkdir()
    (tree / ".git").write_text(f"gitdir: {main}/.git/worktrees/tree\n")
    monkeypatch.chdir(main)
    expected = store_root()
    monkeypatch.chdir(tree)
    assert store_root() == expected == main / ".athanor" / "items"


@pytest.mark.parametrize("inside", ["", "below", "users"])
def test_a_store_that_can_be_no_folder_is_told_by_its_variable(
    inside: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if inside == "users":
        (tmp_path / "place").mkdir()
        (tmp_path / "place/users").write_text("a file")
        place = tmp_path / "place"
    else:
        (tmp_path / "place").write_text("a file")
        place = tmp_path / "place" / inside
    monkeypatch.setenv("ATHANOR_STORE", str(place))
    with pytest.raises(UserError, match=f"ATHANOR_STORE={place}: results cannot be stored there"):
        Items("crop")


def test_a_kind_that_is_a_file_in_the_store_is_told() -> None:
    store_root().mkdir(parents=True)
    (store_root() / "training").write_text("a file")
    with pytest.raises(UserError, match=r"results cannot be stored there .*training: File exists"):
        store_folder("training")


def test_what_torch_computes_is_kept_apart_by_its_arithmetic(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Latents kept without `same_bytes` are not those that it promises."""
    for name in (*INSTRUCTIONS, *THREADS):
        monkeypatch.delenv(name, raising=False)
    arithmetic.cache_clear()
    free = computed_key(picture="a")
    assert free == key(picture="a")
    for name, value in {**INSTRUCTIONS, **THREADS}.items():
        monkeypatch.setenv(name, value)
    arithmetic.cache_clear()
    request.addfinalizer(arithmetic.cache_clear)
    assert computed_key(picture="a") != free
    assert key(picture="a") == free
