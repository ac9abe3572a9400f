from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.files.hashing import sha256_of_tree
from pipeline.vision.models import HUB_NAME, TAGGER_FILES, located
from tests.pipeline.captions.onnx_models import write_tagger


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache with one repository in it, and no network."""
    cache = tmp_path / "cache"
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = cache / "models--someone--tagger"
    write_tagger(repository / "snapshots" / commit, 1)
    write_tagger(repository / "snapshots" / commit / "small", "N")
    (repository / "snapshots" / commit / "README.md").write_text("fetched by another program")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return repository / "snapshots" / commit


def test_a_local_path_comes_before_a_hub_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_tagger(Path("someone/tagger"), 1)
    model = located("tag.model", "someone/tagger", None, TAGGER_FILES)
    assert model.path == Path("someone/tagger")
    assert model.sha256 == sha256_of_tree("someone/tagger")


def test_a_hub_name_is_found_in_the_cache_and_hashed_by_the_taggers_own_files(hub: Path) -> None:
    model = located("tag.model", "someone/tagger@main", None, TAGGER_FILES)
    assert model.path == hub
    before = model.sha256
    (hub / "README.md").write_text("other words")
    (hub / "small" / "selected_tags.csv").write_text("other labels")
    assert located("tag.model", "someone/tagger", before, TAGGER_FILES).sha256 == before
    (hub / "selected_tags.csv").write_text("other labels")
    with pytest.raises(UserError, match=r"has the hash .*, not"):
        located("tag.model", "someone/tagger", before, TAGGER_FILES)


def test_a_folder_of_a_repository_can_be_named(hub: Path) -> None:
    assert located("tag.model", "someone/tagger/small", None, TAGGER_FILES).path == hub / "small"
    with pytest.raises(UserError, match="no such folder in that repository"):
        located("tag.model", "someone/tagger/large", None, TAGGER_FILES)


@pytest.mark.usefixtures("hub")
def test_without_a_network_a_hub_name_is_a_sentence() -> None:
    with pytest.raises(UserError, match=r"someone/else: not a folder here, and the hub does not provide it"):
        located("tag.model", "someone/else", None, TAGGER_FILES)


def test_what_is_neither_path_nor_hub_name_is_a_sentence() -> None:
    with pytest.raises(UserError, match="nor a hub name"):
        located("tag.model", "no tagger", None, TAGGER_FILES)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a/b", ("a/b", "", None)),
        ("a/b/c/d", ("a/b", "/c/d", None)),
        ("a/b@v2.0", ("a/b", "", "v2.0")),
        ("a/b/c@refs/pr/1", ("a/b", "/c", "refs/pr/1")),
    ],
)
def test_hub_names_have_a_folder_and_a_revision(name: str, parts: tuple[str | None, ...]) -> None:
    found = HUB_NAME.fullmatch(name)
    assert found is not None
    assert (found["repo"], found["folder"], found["revision"]) == parts
