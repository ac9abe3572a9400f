import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.command import start
from pipeline.errors import UserError, nearest
from pipeline.schemas import AdapterNetworkConfig
from stages.collect import main as collect
from tests.conftest import ROOT

SCRIPT = "from pipeline.command import run\nimport os, time\ndef main(arguments):\n    {body}\nrun(main)\n"


def program(body: str, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT.format(body=body), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "from pipeline.errors import UserError; raise UserError('a: wrong', 'b: wrong')",
            "error: a: wrong\nerror: b: wrong\n",
        ),
        (f"raise OSError({errno.ENOSPC}, 'x', 'data/a')", "error: the disk is full (data/a)"),
        (f"raise OSError({errno.EACCES}, 'Permission denied', 'data/a')", "error: data/a: Permission denied"),
        ("raise KeyboardInterrupt", "error: interrupted; no partial files were left; run the same command"),
        (
            "raise KeyboardInterrupt('the last checkpoint is kept')",
            "error: interrupted; the last checkpoint is kept; run the same command again to continue\n",
        ),
    ],
)
def test_what_a_user_can_mend_is_a_sentence_and_exit_code_1(body: str, message: str) -> None:
    ended = program(body)
    assert ended.returncode == 1
    assert ended.stderr.startswith(message)
    assert "Traceback" not in ended.stderr
    assert "Traceback" in program(body, "--debug").stderr


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = [sys.executable, "-c", SCRIPT.format(body="print('x' * 1_000_000)")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_our_own_mistakes_keep_their_traceback() -> None:
    assert "ZeroDivisionError" in program("1 / 0").stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_with_a_sentence(number: signal.Signals) -> None:
    ended = program(f"os.kill(os.getpid(), {int(number)}); time.sleep(5)")
    assert (ended.returncode, ended.stderr.startswith("error: interrupted")) == (1, True)


def test_an_interruption_that_surfaces_as_another_error_is_still_one() -> None:
    ended = program(
        f"try: os.kill(os.getpid(), {int(signal.SIGINT)}); time.sleep(5)\n"
        "    except KeyboardInterrupt: raise ValueError('could not determine the shape')"
    )
    assert (ended.returncode, ended.stderr.startswith("error: interrupted")) == (1, True)


@pytest.mark.usefixtures("root")
def test_overrides_need_a_folder_of_their_own(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--out DIR"):
        start("train", ["network.dim=8"])
    job = start("train", ["network.dim=8", "--out", os.fspath(tmp_path)])
    assert isinstance(job.config.network, AdapterNetworkConfig)
    assert (job.config.network.dim, job.out) == (8, tmp_path)


def test_nearest_names() -> None:
    assert nearest("alpa", ["alpha", "dim"]) == "did you mean alpha?"
    assert nearest("zzz", ["alpha", "dim"]) == "valid: alpha, dim"


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        (".", "is this project, where DVC's outputs are"),
        ("tries/..", "is this project, where DVC's outputs are"),
        ("models/network/mine", "is in an output of the stage train; name another folder"),
        ("data/collected", "is in an output of the stage collect; name another folder"),
        ("README.md", "is a file; name a folder"),
    ],
)
def test_by_hand_nothing_is_written_among_dvcs_outputs(
    out: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(UserError, match=reason):
        start("collect", ["--out", out])


@pytest.mark.parametrize("arguments", [["--out", "pictures"], ["--out", "pictures/mine"]])
def test_brother_nor_among_the_pictures(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The next run would collect them."""
    monkeypatch.chdir(ROOT)
    source = tmp_path / "pictures"
    source.mkdir()
    override, places = f"collect.source={source}", [str(tmp_path / each) for each in arguments[1:]]
    with pytest.raises(UserError, match=r"--out .*(itself, which would be lost|which is read)"):
        collect([override, "--out", *places])
    with pytest.raises(UserError, match=r"--records .* is inside .*pictures, which is read"):
        collect([override, "--records", str(source / "a.png")])
    assert list(source.iterdir()) == []


def test_a_full_card_is_a_sentence() -> None:
    for error in (
        "torch.OutOfMemoryError('CUDA out of memory. Tried to allocate')",
        "RuntimeError('MPS backend out of memory (MPS allocated: 17.9 GB)')",
        "Exception('[ONNXRuntimeError] : 1 : FAIL : CUDA failure 2: out of memory')",
    ):
        ended = program(f"import torch; raise {error}")
        assert ended.returncode == 1
        assert ended.stderr.startswith("error: the device's memory is full; close other programs that use it")


def test_other_errors_of_a_device_keep_their_traceback() -> None:
    assert "RuntimeError" in program("raise RuntimeError('CUDA error: an illegal memory access')").stderr


def test_an_interruption_while_a_module_is_read_ends_with_the_sentence_and_code_1(tmp_path: Path) -> None:
    """Dataclasses and namedtuples exec texts; Ctrl-C may come then."""
    (tmp_path / "interrupted.py").write_text(SCRIPT.format(body="exec('raise KeyboardInterrupt')"))
    command, environment = [sys.executable, "-m", "interrupted"], {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        command, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert "error: interrupted" in ended.stderr
