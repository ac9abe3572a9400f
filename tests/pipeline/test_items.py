from pathlib import Path

import pytest

from pipeline.items import Items, key, store_root


def test_keys_follow_the_parts_not_their_order() -> None:
    assert key(a=1, b=[2]) == key(b=[2], a=1) != key(a=1, b=[3])


def test_what_was_put_is_got() -> None:
    items = Items("crop")
    assert items.get("k" * 64) is None
    items.put("k" * 64, b"x")
    assert items.get("k" * 64) == b"x"
    assert Items("tag").get("k" * 64) is None


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
