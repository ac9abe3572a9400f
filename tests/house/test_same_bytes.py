"""`same_bytes: true`: set before torch is loaded; results then follow from nothing outside."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from pipeline.same_bytes import INSTRUCTIONS, THREADS, fix, is_on
from stages import compose
from tests.conftest import ROOT
from tests.stages.project import make_project, outputs

MACHINES: list[dict[str, str]] = [
    {"ATEN_CPU_CAPABILITY": "avx2", "OMP_NUM_THREADS": "1"},
    {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_CBWR": "AUTO",
        "OMP_NUM_THREADS": "2",
    },
]
"""What stands for two computers: torch takes other instructions and another number of threads."""
ARITHMETIC = """
import sys; sys.argv = ["-m"]
import stages, torch
torch.manual_seed(0)
x, w = torch.randn(4, 32, 16, 16, requires_grad=True), torch.randn(32, 32, 3, 3)
y = torch.nn.functional.gelu(torch.conv2d(x, w)).flatten(2) @ torch.randn(196, 64)
y.softmax(-1).square().sum().backward()
print(sum(y.flatten().tolist()).hex(), sum(x.grad.flatten().tolist()).hex())
print(torch.backends.cpu.get_cpu_capability(), torch.get_num_threads())
"""

ALL_STAGES = """
import sys; sys.argv = ["-m"]
import stages
from tests.stages.project import run_all
run_all()
"""


def environment(machine: Mapping[str, str]) -> dict[str, str]:
    """As the machine would have it, whatever this process has."""
    kept = {name: value for name, value in os.environ.items() if name not in {*INSTRUCTIONS, *THREADS}}
    return {**kept, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", **machine}


def on_both(code: str, folders: Sequence[Path]) -> list[list[str]]:
    """Lines that each machine prints, both at work at once."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=folder,
            env=environment(machine) | {"ATHANOR_STORE": str(folder / "store")},
            stdout=subprocess.PIPE,
            text=True,
        )
        for folder, machine in zip(folders, MACHINES, strict=True)
    ]
    said = [process.communicate(timeout=600)[0].splitlines() for process in running]
    assert [process.returncode for process in running] == [0, 0]
    return said


def test_sums_follow_from_the_machine_only_where_the_setting_is_off(tmp_path: Path) -> None:
    (tmp_path / "params.resolved.yaml").write_text("seed: 0\nsame_bytes: true\n")
    fixed = on_both(ARITHMETIC, [tmp_path, tmp_path])
    assert fixed[0] == fixed[1]
    assert fixed[0][1] == "AVX2 1"
    (tmp_path / "params.resolved.yaml").write_text("seed: 0\nsame_bytes: false\n")
    free = on_both(ARITHMETIC, [tmp_path, tmp_path])
    assert free[0][0] != free[1][0]
    assert free[1][1] == "DEFAULT 2"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Composed, with the setting on."""
    folder = make_project(
        tmp_path / "project", train={"epochs": 1}, sample_grid={"weights": [1.0], "steps": 1}
    )
    with (folder / "params.yaml").open("a") as file:
        file.write("same_bytes: true\n")
    monkeypatch.chdir(folder)
    compose.main([])
    return folder


def test_every_stage_makes_the_same_bytes_on_two_machines(project: Path, tmp_path: Path) -> None:
    folders = [shutil.copytree(project, tmp_path / name) for name in ("one", "two")]
    on_both(ALL_STAGES, folders)
    made = [outputs(folder) for folder in folders]
    assert made[0].keys() == made[1].keys()
    assert [name for name, data in made[0].items() if data != made[1][name]] == []


def test_the_setting_is_read_where_the_stage_reads_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert not is_on([])
    Path("params.resolved.yaml").write_text("a:\n  same_bytes: true\n")
    Path("params.yaml").write_text("same_bytes: true  # slower\n")
    assert not is_on([])  # a key of another group, in the graph
    monkeypatch.delenv("DVC_STAGE")
    assert is_on([])
    assert not is_on(["--out", "tries/a", "same_bytes=false"])
    Path("params.yaml").unlink()
    Path("conf").mkdir()
    Path("conf/config.yaml").write_text("seed: 0\nsame_bytes: true\n")
    assert is_on([])


def test_a_processor_without_avx2_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (*INSTRUCTIONS, *THREADS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    fix()
    assert os.environ["OMP_NUM_THREADS"] == "1"
    assert "MKL_CBWR" not in os.environ
    assert "no AVX2" in capsys.readouterr().err
    for name in THREADS:
        monkeypatch.delenv(name)
