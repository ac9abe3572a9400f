import io
import os
import zipfile
from pathlib import Path
from random import Random

import pytest
import torch

from pipeline.errors import UserError
from pipeline.files.pickled import pickled, read_pickled, write_pickled


def value(prefix: str = "linear.") -> dict[object, object]:
    """Equal each time, of new objects."""
    weights = {"".join([prefix, "weight"]): torch.arange(6.0).reshape(2, 3).T, "half": torch.ones(2).half()}
    return {320: (weights, dict(weights)), "list": [1, 2.5, None, True], "linear.weight": "linear.weight"}


def test_equal_values_give_equal_bytes_whatever_objects_they_are() -> None:
    first = value()
    pair = first[320]
    assert isinstance(pair, tuple)
    first[320] = ({key: tensor.clone() for key, tensor in pair[0].items()}, pair[1])
    assert pickled(first) == pickled(value("".join(["lin", "ear."])))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write_pickled(tmp_path / "any name.pt", value())
    read = read_pickled(tmp_path / "any name.pt")
    assert read.keys() == value().keys()
    assert torch.equal(read[320][1]["linear.weight"], torch.arange(6.0).reshape(2, 3).T)
    assert read[320][0]["half"].dtype == torch.float16
    assert read["list"] == [1, 2.5, None, True]


def test_a_view_is_written_without_what_it_is_a_view_of() -> None:
    assert len(pickled({"a": torch.zeros(100_000)[:2]})) < 2000


def test_the_archive_holds_no_clock_and_no_record_that_a1111_refuses() -> None:
    with zipfile.ZipFile(io.BytesIO(pickled(value()))) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        for name in archive.namelist():
            assert name in ("archive/data.pkl", "archive/version") or name.startswith("archive/data/")


@pytest.mark.parametrize("in_an_archive", [True, False])
def test_damage_is_always_a_sentence(tmp_path: Path, in_an_archive: bool) -> None:
    saved, path, problems = io.BytesIO(), tmp_path / "a.pt", list[str]()
    torch.save(value(), saved, _use_new_zipfile_serialization=in_an_archive)
    for seed in range(150):
        random, damaged = Random(seed), bytearray(saved.getvalue())
        for _ in range(random.randint(1, 4)):
            damaged[random.randrange(len(damaged))] = random.randrange(256)
        path.write_bytes(damaged[: random.randrange(len(damaged))] if seed % 3 else damaged)
        try:
            read_pickled(path)
        except UserError as error:
            problems += error.problems
    assert len(problems) > 75
    assert all(problem.startswith(str(path)) for problem in problems)


class Stranger:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("was-run",)


def test_a_strangers_code_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"a": Stranger()}, "a.pt")
    with pytest.raises(UserError, match="could run code"):
        read_pickled(Path("a.pt"))
    assert not Path("was-run").exists()
