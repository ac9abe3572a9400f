import pickle
from pathlib import Path

import pytest
import torch

from pipeline.errors import UserError
from pipeline.files.aesthetic_file import read_aesthetic, write_aesthetic

EMBEDDING = torch.randn((1, 768), generator=torch.Generator().manual_seed(1))


def test_the_extensions_file_is_a_bare_tensor(tmp_path: Path) -> None:
    """torch.save(embs, path), as generate_imgs_embd writes it; and torch.load reads ours."""
    torch.save(EMBEDDING, tmp_path / "theirs.pt")
    assert torch.equal(read_aesthetic(tmp_path / "theirs.pt"), EMBEDDING)
    write_aesthetic(tmp_path / "ours.pt", EMBEDDING)
    assert torch.equal(torch.load(tmp_path / "ours.pt", weights_only=True), EMBEDDING)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_saved_and_reloaded_file_is_equal_to_the_byte(tmp_path: Path, suffix: str) -> None:
    one, other = tmp_path / f"one{suffix}", tmp_path / f"other{suffix}"
    write_aesthetic(one, EMBEDDING)
    write_aesthetic(other, read_aesthetic(one))
    assert one.read_bytes() == other.read_bytes()


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("code of a stranger",)


@pytest.mark.parametrize("value", [Harmful(), {"a": torch.ones(3)}, torch.ones(2, 3)])
def test_anything_else_is_refused_and_never_run(
    tmp_path: Path, value: object, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(value, tmp_path / "x.pt", pickle_module=pickle)
    with pytest.raises(UserError, match=r"is no"):
        read_aesthetic(tmp_path / "x.pt")
    assert "stranger" not in capsys.readouterr().out
