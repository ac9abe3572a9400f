"""The rows as Markdown: a table for steps, one for the rest, one for what failed."""

from collections.abc import Iterable, Sequence

from benchmarks.gpu.running import Row

STEP_COLUMNS = {
    "ms_a_step": "ms a step", "pictures_a_second": "pictures/s", "share_of_peak": "of the peak",
    "allocated_gib": "GiB", "reserved_gib": "GiB reserved", "first_s": "first step, s",
}  # fmt: skip
NOT_SHOWN = {"took_s", "what"}


def as_markdown(rows: Sequence[Row]) -> str:
    steps = [row for row in rows if row["what"] == "step" and "failed" not in row]
    parts = [
        _table(["case", "by", *STEP_COLUMNS.values(), "of bare"], (_step(row, steps) for row in steps)),
        _table(
            ["measured", "result"],
            ([_case(row), _rest(row)] for row in rows if row["what"] != "step" and "failed" not in row),
        ),
        _table(
            ["not measured", "why"],
            ([f"{_case(row)} {row.get('by', '')}", row["failed"]] for row in rows if "failed" in row),
        ),
    ]
    return "\n\n".join(part for part in parts if part)


def _step(row: Row, rows: Sequence[Row]) -> list[str]:
    bare = [each["ms_a_step"] for each in rows if _is_bare(each) and _case(each) == _case(row)]
    ratio = f"{row['ms_a_step'] / bare[0]:.2f}" if bare else ""
    return [_case(row), row["by"], *(str(row.get(key, "")) for key in STEP_COLUMNS), ratio]


def _is_bare(row: Row) -> bool:
    return bool(row["by"] == "bare")


def _case(row: Row) -> str:
    return " ".join(str(row[key]) for key in ("what", "case") if row.get(key) and row[key] != "step")


def _rest(row: Row) -> str:
    shown = {key: value for key, value in row.items() if key not in NOT_SHOWN | {"case"}}
    return "; ".join(f"{key} {value}" for key, value in shown.items())


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    body = [f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines]
    if not body:
        return ""
    return "\n".join([f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *body])
