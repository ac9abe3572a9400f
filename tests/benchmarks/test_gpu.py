import json

import pytest
import torch

from benchmarks.gpu.__main__ import main
from benchmarks.gpu.cases import Bench
from benchmarks.gpu.plan import plan
from benchmarks.gpu.running import Measurement, Row, measured
from benchmarks.gpu.table import as_markdown

NEEDS_A_CARD = {"waits", "LoRA, compiled", "LoRA, graph"}
"""What a CPU can only name."""


@pytest.mark.usefixtures("root")
@pytest.mark.filterwarnings("ignore")
def test_all_of_it_runs_on_small_bases(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--tiny", "--minutes", "20"])
    lines, _, tables = capsys.readouterr().out.partition("\n\n|")
    rows = [json.loads(line) for line in lines.splitlines() if line.startswith("{")]
    assert [row["what"] for row in rows] == [each.row["what"] for each in plan(Bench(tiny=True))]
    failed = [row for row in rows if "failed" in row]
    if not torch.cuda.is_available():
        assert failed
    for row in failed:
        assert any(words in f"{row['what']} {row.get('case')}" for words in NEEDS_A_CARD), row
    for row in rows:
        if row["what"] == "step" and "failed" not in row:
            assert row["ms_a_step"] > 0
            assert row["first_s"] > 0
    assert next(row for row in rows if row["what"] == "same bytes")["killed_run_equal"]
    lora = {row["by"]: row for row in rows if row.get("case") == "sdxl bf16 batch 4 LoRA"}
    assert set(lora) == {"ours", "bare", "diffusers", "diffusers, encoded before"}
    assert "| sdxl bf16 batch 4 LoRA | bare |" in tables


@pytest.mark.usefixtures("root")
def test_a_measurement_without_memory_is_a_row_and_the_rest_goes_on() -> None:
    def greedy(bench: Bench) -> Row:
        raise torch.OutOfMemoryError("tried to allocate 40 GiB")

    steps = [Measurement({"what": "a"}, greedy), Measurement({"what": "b"}, lambda _: {"figure": 3})]
    first, second = measured(steps, Bench(tiny=True), minutes=1)
    assert first["failed"] == "OutOfMemoryError: tried to allocate 40 GiB"
    assert second["figure"] == 3
    assert "| a  | OutOfMemoryError: tried to allocate 40 GiB |" in as_markdown([first, second])


@pytest.mark.usefixtures("root")
def test_the_minutes_are_kept_even_inside_a_measurement() -> None:
    def endless(bench: Bench) -> Row:
        while True:
            pass

    steps = [Measurement({"what": "a"}, endless), Measurement({"what": "b"}, lambda _: {"figure": 3})]
    first, second = measured(steps, Bench(tiny=True), minutes=0.2 / 60)
    assert "minutes were over" in first["failed"]
    assert second["failed"] == "OutOfTime: no time was left"
