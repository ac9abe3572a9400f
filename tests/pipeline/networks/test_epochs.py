import os
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.networks.epochs import network_file, network_files


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = Path("models/network")
    folder.mkdir(parents=True)
    for name in ("zib-000005", "zib-000010", "zib-000015", "zib"):
        (folder / f"{name}.safetensors").touch()
    Path("others").mkdir()
    for name in ("b", "a", "7up"):
        Path(f"others/{name}.safetensors").touch()
    return folder


def epochs(folder: Path) -> dict[int, Path]:
    return {number: folder / f"zib-{number:06}.safetensors" for number in (5, 10, 15)}


@pytest.mark.parametrize(
    ("wanted", "stems"),
    [
        (["all"], ["zib-000005", "zib-000010", "zib-000015"]),
        (["last"], ["zib-000015"]),
        (["5-15 (+5)"], ["zib-000005", "zib-000010", "zib-000015"]),
        (["15", "5"], ["zib-000015", "zib-000005"]),
        (["zib"], ["zib"]),
        (["zib-00001*"], ["zib-000010", "zib-000015"]),
        (["others/*.safetensors"], ["7up", "a", "b"]),
        (["others/b", "others/a.safetensors"], ["b", "a"]),
        (["others/7up", "all", "last"], ["7up", "zib-000005", "zib-000010", "zib-000015"]),
    ],
)
def test_files_in_the_order_asked_for_each_once(folder: Path, wanted: list[str], stems: list[str]) -> None:
    assert [file.stem for file in network_files(wanted, epochs(folder), folder)] == stems


def test_what_names_nothing_is_said_all_at_once(folder: Path) -> None:
    with pytest.raises(UserError) as error:
        network_files(["7", "5-6", "zip"], epochs(folder), folder)
    assert [problem.split(":")[0] for problem in error.value.problems] == [
        "epoch 7",
        "epoch 6",
        "'zip' matches no network file, here or in models/network (did you mean zib?); write `all`, epochs"
        " (`5-15 (+5)`), a name, a path, or a pattern (`*-00001*`)",
    ]
    assert "there are 5, 10, 15" in error.value.problems[0]


def test_one_file_is_one_file(folder: Path) -> None:
    assert network_file("last", epochs(folder), folder).stem == "zib-000015"
    with pytest.raises(UserError, match="'all' names 3 files"):
        network_file("all", epochs(folder), folder)
    with pytest.raises(UserError, match="holds no epoch's file"):
        network_file("last", {}, folder)


@pytest.mark.parametrize("name", [b"x\xff", b"x\x1b[31m", b"x\n", b"x\xe2\x80\xaetxt"])
def test_a_name_that_no_page_can_show_is_refused(folder: Path, name: bytes) -> None:
    """Not UTF-8, a control character, a line's end, a mark that turns the direction of text."""
    Path(os.fsdecode(bytes(folder) + b"/" + name + b".safetensors")).touch()
    with pytest.raises(UserError, match=r"x.*\.safetensors: this file's name has .*; rename it"):
        network_files(["x*"], {}, folder)
