"""The benchmark on several devices: two processes on a CPU, and small bases."""

import json
import os
import subprocess
import sys

from tests.conftest import ROOT


def test_a_step_on_two_devices() -> None:
    command = [sys.executable, "-m", "benchmarks.gpu", "--tiny", "--devices", "2", "--minutes", "5"]
    environment = {key: value for key, value in os.environ.items() if key not in ("RANK", "LOCAL_RANK")}
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=400
    )
    lines = ended.stdout.partition("\n\n|")[0].splitlines()
    rows = [json.loads(line) for line in lines if line.startswith("{")]
    # Each once, though two processes measure.
    assert [(row["what"], row["case"].split()[0], row["devices"]) for row in rows] == [
        ("devices", "sd15", 2),
        ("devices", "sdxl", 2),
    ]
    for row in rows:
        assert "failed" not in row, row
        assert row["pictures_a_second"] > 0
        assert row["times_one_device"] > 0
