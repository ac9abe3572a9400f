import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.files.sorted_rows import SortedRows

NAMES = st.text(max_size=4)
ROWS = st.lists(st.tuples(NAMES, NAMES, st.integers()), max_size=12)


def filled(rows: list[tuple[str, str, int]]) -> SortedRows:
    made = SortedRows()
    for name, second, value in rows:
        made.add(name, second, value)
    return made


@given(ROWS)
def test_rows_come_as_a_stable_sort_in_memory_puts_them(rows: list[tuple[str, str, int]]) -> None:
    made = filled(rows)
    expected = sorted(rows, key=lambda row: row[:2])
    values = [value for *_, value in expected]
    assert list(made) == values
    assert len(made) == len(rows)
    assert list(made.names()) == sorted({name for name, *_ in rows})
    assert list(made.repeated()) == sorted({name for name, *_ in rows if len(made.of(name)) > 1})
    assert list(made.numbered({0, 2, 99})) == [(n, values[n]) for n in (0, 2) if n < len(values)]
    for name in ("", *(name for name, *_ in rows)):
        assert made.of(name) == [value for row, *_, value in expected if row == name]
        assert (name in made) == bool(made.of(name))


def test_what_is_taken_is_there_no_more() -> None:
    made = filled([("a", "", 1), ("b", "", 2), ("a", "", 3)])
    assert made.take("a") == [1, 3]
    assert made.take("a") == []
    assert list(made) == [2]


def test_names_that_are_no_text_are_names() -> None:
    made = filled([("caf\udce9", "\ud800", 1)])
    assert (made.of("caf\udce9"), list(made.names())) == ([1], ["caf\udce9"])


def test_a_full_disk_is_told_as_one() -> None:
    made = SortedRows()
    made.disk.execute("PRAGMA max_page_count = 8")
    with pytest.raises(OSError, match="full") as error:
        for number in range(100):
            made.add(str(number), "", "x" * 1000)
    assert error.value.errno == errno.ENOSPC


def test_nothing_is_left_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    filled([(str(number), "", number) for number in range(2000)])
    assert list(tmp_path.iterdir()) == []
