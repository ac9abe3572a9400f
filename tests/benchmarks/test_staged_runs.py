"""The staged runs change what they say they change."""

import json
from pathlib import Path

from benchmarks.staged_runs import few, mixed, other_trigger, table_row
from pipeline.training.holdout import position


def test_four_pictures_are_learned_and_those_that_the_healthy_run_holds_out_stay() -> None:
    names = [f"zibbo/zibbo-{number:02}" for number in range(24)]
    rows: list[dict[str, object]] = [{"id": name, "group": name, "repeats": 7} for name in names]
    held_out = {name for name in names if position(name) < 0.1}
    few(rows, [])
    kept = {str(row["id"]) for row in rows}
    assert len(held_out) == 4
    assert held_out < kept
    assert len(kept) == 8
    assert {row["repeats"] for row in rows} == {1}


def test_captions_move_by_seven_pictures_and_the_trigger_changes_in_all() -> None:
    rows: list[dict[str, object]] = [{"caption": f"zibbo, {number}"} for number in range(10)]
    mixed([], rows)
    assert [row["caption"] for row in rows[:4]] == ["zibbo, 7", "zibbo, 8", "zibbo, 9", "zibbo, 0"]
    other_trigger([], rows)
    assert rows[0]["caption"] == "quolim, 7"


def test_a_row_is_of_the_last_epoch_with_the_base_in_brackets(tmp_path: Path) -> None:
    assert table_row("none", tmp_path).startswith("| none | - | - |")
    folder = tmp_path / "reports/sample-grid"
    folder.mkdir(parents=True)
    ranking = [
        {"epoch": epoch, "measures": {"subject": {"mean": 0.1 * epoch}, "drift": {"mean": 0.25}}}
        for epoch in (5, 10)
    ]
    (folder / "ranking.json").write_text(json.dumps(ranking))
    verdict = {"base": {"subject": {"mean": 0.0}}, "proposed": {"epoch": 5}}
    (folder / "verdict.json").write_text(json.dumps(verdict))
    assert table_row("run", tmp_path) == "| run | epoch 5 | - | 1.00 (0.00) | - | - | - | - | 0.25 | - |"
