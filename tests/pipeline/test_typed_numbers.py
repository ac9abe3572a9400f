"""Every number of a command line is held against its range before any work."""

import ast
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.merging.__main__ import main as merging
from pipeline.networks.__main__ import main as networks
from pipeline.sweep.__main__ import parser
from pipeline.typed_numbers import ratios_in
from tests.conftest import ROOT

RESIZE = ["resize", "none.safetensors", "--out", "out.safetensors"]
COMBINE = ["combine", "none.safetensors", "--out", "out.safetensors"]
EXTRACT = ["extract", "a.safetensors", "b.safetensors", "--out", "out.safetensors"]


def sweep(arguments: Sequence[str]) -> None:
    parser().parse_args(arguments)


@pytest.mark.parametrize(
    ("command", "arguments", "reason"),
    [
        *((merging, [*RESIZE, f"--rank={rank}"], "whole number from 1 to 65536") for rank in
          ("0", "-1", "1.5", "nan", "1e3", "99999999", "9" * 5000, "")),
        *((merging, [*COMBINE, f"--rank={rank}"], "whole number from 1 to 65536") for rank in ("0", "-1")),
        *((merging, [*EXTRACT, f"--dim={rank}"], "whole number from 1 to 65536") for rank in ("0", "-1")),
        (merging, [*EXTRACT, "--dim=4", "--conv-dim=-1"], "whole number from 0 to 65536"),
        *((merging, [*RESIZE, "--rank=4", "--by=frobenius", f"--share={share}"], "finite number above 0")
          for share in ("nan", "-1", "0", "inf", "1e999", "half")),
        *((networks, ["convert", "a", "b.safetensors", "--to=lora", f"--dim={dim}"], "whole number from 1")
          for dim in ("0", "-4")),
        *((sweep, [f"--trials={trials}"], "whole number from 1 to 1000000") for trials in ("0", "-1", "1e9")),
    ],
)  # fmt: skip
def test_a_number_out_of_range_is_told_with_its_option(
    command: Callable[[Sequence[str]], None],
    arguments: list[str],
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        command(arguments)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert f"argument {arguments[-1].partition('=')[0]}: " in told
    assert reason in told
    assert len(told) < 1500


@pytest.mark.parametrize(
    ("by", "share", "reason"),
    [
        ("frobenius", "2", "must be above 0 and at most 1"),
        ("cumulative", "1.0001", "must be above 0 and at most 1"),
        ("ratio", "0.5", "must be at least 1"),
    ],
)
def test_a_share_is_of_its_rule(by: str, share: str, reason: str) -> None:
    with pytest.raises(UserError, match=f"--share {share}: .*{reason}"):
        merging([*RESIZE, "--rank=4", f"--by={by}", f"--share={share}"])


@pytest.mark.parametrize(
    "text", ["nan", "inf", "-inf", ".nan", "-.inf", "1e999", "", " ", "0.5,nan", "1,,2", "1,x"]
)
def test_a_ratio_that_is_no_finite_number_is_told_as_such(text: str) -> None:
    with pytest.raises(UserError, match=r"none\.safetensors: the ratio .* must be a finite number, a list"):
        merging(["combine", f"none.safetensors:{text}", "--out", "out.safetensors"])


def test_ratios_are_numbers_lists_and_presets() -> None:
    assert ratios_in("1e-3", "a") == 0.001  # YAML would take it for a word
    assert ratios_in("-.5", "a") == -0.5
    assert ratios_in("0,0.5,1", "a") == [0, 0.5, 1]
    assert ratios_in("GRAD_V", "a") == "GRAD_V"


def test_no_command_reads_a_bare_int_or_float() -> None:
    """Each `type=` of a number comes from the one place."""
    files = [
        path
        for folder in ("pipeline", "stages", "demo", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
    ]
    assert [f"{path}:{call.lineno}" for path in files for call in bare_numbers(path)] == []


def bare_numbers(path: Path) -> list[ast.Call]:
    """Calls with `type=int` or `type=float`."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return [
        call
        for call in calls
        for keyword in call.keywords
        if keyword.arg == "type"
        and isinstance(keyword.value, ast.Name)
        and keyword.value.id in ("int", "float")
    ]
