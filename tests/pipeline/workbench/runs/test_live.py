"""What a training writes is read as it grows, whatever else is in the file."""

import json
from pathlib import Path
from typing import Any

from pipeline.workbench.runs.live import LiveReader
from pipeline.workbench.runs.log_reader import MOST_LOG_CHARACTERS, LogReader
from pipeline.workbench.runs.samples import samples_in
from pipeline.workbench.runs.thinning import thinned

RUN = {"run": {"name": "zibbo", "done": 0, "steps": 30, "epochs": 3}}


def step(number: int, loss: Any = 0.5) -> dict[str, Any]:
    return {"step": number, "epoch": 1, "loss": loss, "lr": 1e-4, "pictures_per_s": 6.5}


def write(path: Path, *rows: Any, end: str = "\n") -> None:
    with path.open("a") as file:
        file.write("\n".join(json.dumps(row) for row in rows) + end)


def test_a_torn_last_line_waits_for_its_rest(tmp_path: Path) -> None:
    path = tmp_path / "live.jsonl"
    reader = LiveReader(path)
    assert not reader.poll()
    write(path, RUN, step(10))
    with path.open("a") as file:
        file.write('{"step": 20, "lo')
    assert reader.poll()
    assert [row["step"] for row in reader.steps] == [10]
    assert not reader.poll()
    with path.open("a") as file:
        file.write('ss": 0.25}\n')
    assert reader.poll()
    assert [(row["step"], row["loss"]) for row in reader.steps] == [(10, 0.5), (20, 0.25)]
    assert reader.run == {"name": "zibbo", "done": 0, "steps": 30, "epochs": 3}


def test_foreign_lines_and_what_is_not_a_number_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "live.jsonl"
    path.write_bytes(
        b'{"step": 10, "loss": NaN, "lr": Infinity}\nnonsense\n[1]\n"text"\nnull\n{"other": 1}\n\xff\xfe\n'
        b'{"step": true}\n{"run": 5}\n{"finding": "x"}\n{"end": "never"}\n\n' + b"[" * 60_000 + b"\n"
        b'{"step": 20, "loss": "0.1"}\n{"epoch": 1, "validation": 0.25}\n{"epoch": "1", "validation": 1}\n'
        b'{"finding": {"kind": "blown_up", "sentence": "It blew up.", "advice": "Lower the rate."}}\n'
        b'{"end": "stopped"}\n'
    )
    reader = LiveReader(path)
    reader.poll()
    assert [(row["step"], row["loss"], row["lr"]) for row in reader.steps] == [
        (10, None, None),
        (20, None, None),
    ]
    assert reader.epochs == [{"epoch": 1, "validation": 0.25}]
    assert [found["sentence"] for found in reader.findings] == ["It blew up."]
    assert reader.end == "stopped"


def test_a_replaced_file_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "live.jsonl"
    write(path, RUN, step(10), step(20))
    reader = LiveReader(path)
    reader.poll()
    before = reader.generation
    path.unlink()
    write(path, RUN, step(10, 0.125), step(20, 0.25), step(30, 0.375))  # longer, maybe with the same inode
    assert reader.poll()
    assert reader.generation > before
    assert [row["loss"] for row in reader.steps] == [0.125, 0.25, 0.375]
    path.write_text("")
    reader.poll()
    assert reader.steps == []


def test_steps_that_come_again_after_a_rollback_replace_those_before(tmp_path: Path) -> None:
    path = tmp_path / "live.jsonl"
    write(path, RUN, step(10), step(20), step(30), step(20, 0.25))
    reader = LiveReader(path)
    reader.poll()
    assert [(row["step"], row["loss"]) for row in reader.steps] == [(10, 0.5), (20, 0.25)]


def test_a_long_curve_keeps_its_peaks() -> None:
    rows: list[dict[str, Any]] = [{"step": number, "loss": 1.0} for number in range(50_000)]
    rows[31_234]["loss"], rows[44_444]["loss"], rows[7]["loss"] = 9.0, -3.0, None
    few = thinned(rows)
    assert len(few) <= 2000
    assert {"step": 31_234, "loss": 9.0} in few
    assert {"step": 44_444, "loss": -3.0} in few
    assert [row["step"] for row in few] == sorted({row["step"] for row in few})
    assert (few[0]["step"], few[-1]["step"]) == (0, 49_999)
    assert thinned(rows[:5]) == rows[:5]


def test_a_log_is_shown_as_a_terminal_shows_it_and_names_its_stages(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(
        b"Stage 'collect' didn't change, skipping\n"
        b"Stage 'tag' is cached - skipping run, checking out outputs\n"
        b"Running stage 'train':\n\x1b[31mred\x1b[0m\n 10%|#   |\r 90%|### |\rdone\n 5%|\r 7%|"
    )
    reader = LogReader(path)
    assert reader.poll()
    assert reader.text.splitlines()[-2:] == ["red", "done"]
    assert reader.last_line == " 7%|"
    assert reader.stages == {"collect": "unchanged", "tag": "cached", "train": "running"}
    assert reader.stage == "train"
    with path.open("ab") as file:
        file.write(b"\nRunning stage 'merge':\n")
    reader.poll()
    assert reader.stages["train"] == "done"
    assert reader.stage == "merge"


def test_a_huge_log_is_kept_in_bounds(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"".join(b"line %d\n" % number for number in range(100_000)) + b"x" * 3_000_000)
    reader = LogReader(path)
    while reader.poll():
        pass
    assert len(reader.text) <= MOST_LOG_CHARACTERS
    assert len(reader.rest) <= MOST_LOG_CHARACTERS
    assert len(reader.last_line) <= 500
    assert reader.num_cut + len(reader.text) == reader.end


def test_only_sample_pictures_are_listed(tmp_path: Path) -> None:
    for name in ("00-000001.png", "01-000002.png", "notes.txt", "00-1.png"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "02-000001.png").symlink_to("/etc/passwd")
    assert sorted(samples_in(tmp_path)) == [(0, 1), (1, 2)]
    assert samples_in(tmp_path / "none") == {}
