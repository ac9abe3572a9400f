import errno
import os
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.items import Items, key, seal_ns, store_root, trim, trim_if_grown


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


def test_no_two_items_share_a_seal() -> None:
    assert len({seal_ns(f"{number}.png") for number in range(1000)}) == 1000


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    items = Items("crop")
    for number, name in enumerate(("aa1", "bb2", "cc3")):
        items.put(name, b"x" * 100)
        os.utime(items.path(name), ns=(number, seal_ns(name)))
    assert items.has("aa1")
    assert trim(store_root(), 250) == 200
    assert [name for name in ("aa1", "bb2", "cc3") if items.has(name)] == ["aa1", "cc3"]
    assert trim(store_root(), 1000) == 200


def test_what_a_killed_process_left_is_removed_after_a_day(tmp_path: Path) -> None:
    items = Items("crop")
    items.put("aa1", b"x")
    old, new = (items.path("aa1").with_name(f".{name}.1.part") for name in ("old", "new"))
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))
    trim(store_root(), 1000)
    assert (old.exists(), new.exists()) == (False, True)


def test_the_store_is_looked_through_once_it_has_grown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATHANOR_STORE_GIB", str(10_000 / 2**30))
    monkeypatch.setattr("pipeline.items._put_bytes", 0)
    seen: list[int] = []
    monkeypatch.setattr("pipeline.items.trim", lambda _, limit: seen.append(limit))
    for length in (60, 60, 60):
        Items("crop").put("aa1", b"x" * length)
        trim_if_grown()
        monkeypatch.setattr("pipeline.items._put_bytes", 0)
    assert seen == [10_000]


def test_a_limit_that_is_no_number_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    Items("crop").put("aa1", b"x")
    monkeypatch.setenv("ATHANOR_STORE_GIB", "lots")
    with pytest.raises(UserError, match="ATHANOR_STORE_GIB=lots"):
        trim_if_grown()


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
