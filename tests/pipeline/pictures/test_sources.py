from pathlib import Path

from pipeline.pictures.sources import find


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_folder_names_give_repeats_and_concepts(tmp_path: Path) -> None:
    touch(
        tmp_path / "7_my cat" / "a.png",
        tmp_path / "dogs" / "b.JPG",
        tmp_path / "c.webp",
        tmp_path / "7_my cat" / "a.txt",
    )
    found, problems = find([str(tmp_path)], default_repeats=2)
    assert problems == []
    assert [(item.id, item.repeats) for item in found] == [
        ("dogs/b", 2),
        ("my cat/a", 7),
        (f"{tmp_path.name}/c", 2),
    ]
    assert found[1].caption == tmp_path / "7_my cat" / "a.txt"
    assert found[0].caption is None


def test_every_problem_of_the_sources_is_told_at_once(tmp_path: Path) -> None:
    touch(tmp_path / "x" / "a.png", tmp_path / "x" / "A.jpg", tmp_path / "x" / "b.txt")
    (tmp_path / "empty").mkdir()
    _, problems = find([str(tmp_path / "x"), str(tmp_path / "empty"), str(tmp_path / "gone")], 1)
    text = "\n".join(problems)
    assert "b.txt: a caption without a picture" in text
    assert "empty: no pictures in it" in text
    assert "gone: no such folder" in text
    assert "share one name" in text


def test_hidden_files_and_folders_are_left_alone(tmp_path: Path) -> None:
    touch(tmp_path / ".thumbs" / "a.png", tmp_path / ".b.png", tmp_path / "c.png")
    assert [item.path.name for item in find([str(tmp_path)], 1)[0]] == ["c.png"]
