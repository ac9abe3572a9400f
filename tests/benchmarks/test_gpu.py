import json
import re
from itertools import product

import pytest
import torch

from benchmarks.gpu.__main__ import main
from benchmarks.gpu.cases import Bench
from benchmarks.gpu.plan import CHECKPOINTS, LEVERS, PRESETS, _whole, plan
from benchmarks.gpu.running import Measurement, Row, measured
from benchmarks.gpu.table import as_markdown
from pipeline.config.compose import options

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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "steps"], r"--only steps: nothing of the kind is measured; use one of step, waits"),
        (["--case", "sd99"], r"--case 'sd99' is in the name of no measurement; names are like 'sd15"),
        (["--only", "encode", "--case", "batch"], r"of no measurement of --only encode"),
        (["--to", "no/such/folder/rows.jsonl"], r"--to no/such/folder/rows.jsonl is in no folder"),
        (["--to", "tests"], r"--to tests is a folder"),
        (["--devices", "2", "--only", "step"], r"--devices measures a LoRA step alone"),
        (["--minutes", "0"], r"python -m benchmarks\.gpu: error: argument --minutes"),
    ],
)
@pytest.mark.usefixtures("root")
def test_a_choice_that_is_none_is_refused_before_anything_is_measured(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--tiny", *words])
    assert ended.value.code == 2
    found = capsys.readouterr()
    assert re.search(said, " ".join(found.err.split()))
    assert not found.out


@pytest.mark.usefixtures("root")
def test_everything_that_a_card_decides_is_measured() -> None:
    rows = [each.row for each in _whole(Bench(tiny=True))]
    names = {f"{row['what']} {row.get('case', '')} {row.get('by', '')}".strip() for row in rows}
    for base, batches in {"sd15": (1, 4, 8), "sdxl": (1, 2, 4)}.items():
        for precision, batch, by in product(
            ("bf16", "fp16"), batches, ("ours", "bare", "diffusers", "diffusers, encoded before")
        ):
            assert f"step {base} {precision} batch {batch} LoRA {by}" in names
        levers = (
            *LEVERS, "optimiser in 8 bits", "any algorithms", "compiled", "all layers and text encoder"
        )  # fmt: skip
        for words in levers:
            assert any(f"{base} bf16 batch" in name and f"LoRA, {words} ours" in name for name in names), (
                words
            )
        for words in ("loha", "lokr", *CHECKPOINTS, "full checkpoint, the least memory"):
            assert f"step {base} bf16 batch 1 {words} ours" in names
        assert {f"same bytes {base}", f"encode {base} ours", f"encode {base} bare"} <= names
        assert {f"encode {base} in tiles ours", f"draw {base} fp16 batch 1 in tiles ours"} <= names
        assert {f"draw {base} fp16 batch 4 ours", f"draw {base} fp16 batch 4 diffusers"} <= names
        assert any(name.startswith(f"profile {base}") for name in names)
    assert set(options("memory")) == set(PRESETS)
    assert "tagging" in names


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
