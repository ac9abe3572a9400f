"""What `make` does, without make: `python tasks.py repro`. For Windows, and wherever make is not installed.

Only the standard library and Python 3.11. Each task is the command lines that it runs; `--dry` prints them.
The Makefile calls this file, so both do the same. Every task sets up .venv if it is missing or out of date.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT, SIGTERM, signal

from pipeline import nvidia_card

ROOT = Path(__file__).resolve().parent
IS_WINDOWS = os.name == "nt"
GIVEN = os.environ.get("ATHANOR_VENV")
"""A virtual environment that is complete already, as in the Dockerfile's image."""
VENV = Path(GIVEN) if GIVEN else ROOT / ".venv"
PROGRAMS = VENV / ("Scripts" if IS_WINDOWS else "bin")
READY = VENV / "ready"
"""Written last; holds the extras that are installed."""
SOURCES = (ROOT / "pyproject.toml", ROOT / "constraints.txt")
CUDA_INDEX = "https://download.pytorch.org/whl/cu130"
"""Where torch with CUDA comes from on Windows; on Linux PyPI has it."""
HELP = ("--help", "-h", "help")
Command = tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """`needs`: tasks that run before it."""

    help: str
    commands: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    end: str = ""


TASKS: dict[str, Task] = {
    "setup": Task("set up .venv, with what an NVIDIA card needs where there is one"),
    "repro": Task(
        "run what has changed, from pictures to a merged checkpoint and a report",
        ("python -m pipeline.mend", "dvc repro", "dvc metrics show"),
        end="\nOpen reports/index.html; the network is in models/network/, the merged checkpoint in"
        " models/merged/.",
    ),
    "check": Task(
        "what to run after each edit: the linters and the fast tests (a minute)",
        ("pytest -n 2 --dist worksteal -m 'not slow and not large'",),
        needs=("lint",),
    ),
    "test": Task(
        "run the linters and all tests",
        ("pytest -n 2 --dist loadfile --no-loadscope-reorder",),
        needs=("lint",),
    ),
    "test-large": Task(
        "run the graph on a random base of SD 1.5's size (20 GB of memory, half an hour)",
        ("pytest -m large",),
    ),
    "lint": Task(
        "check style, types and import contracts",
        ("ruff check .", "ruff format --check .", "mypy", "lint-imports"),
    ),
    "look": Task(
        "open the workbench: look at pictures, captions and faults, and decide",
        ("python -m pipeline.workbench",),
    ),
    "docs": Task(
        "build the site of docs/ and of the library in .site/",
        ("mkdocs build --quiet",),
        end="open .site/index.html",
    ),
    "bench": Task(
        "measure ratios to the bare minimum",
        (
            "python -m benchmarks.train_step --large --side 256",
            "python -m benchmarks.first_step",
            "python -m benchmarks.adapter_step",
            "python -m benchmarks.data_preparation",
            "python -m benchmarks.tagger_preprocessing",
            "python -m benchmarks.drawing",
            "python -m benchmarks.grid",
            "python -m benchmarks.verdict",
            "python -m benchmarks.merge",
            "python -m benchmarks.records",
            "python -m benchmarks.workbench",
        ),
    ),
    "presets": Task(
        "run every preset of conf/experiment/ on the demo, shortened (about ten minutes)",
        ("python -m benchmarks.presets",),
    ),
    "schema": Task(
        "write the editors' schema into conf/ after a change in schemas or conf/",
        ("python -m pipeline.config schema",),
    ),
    "demo": Task("retrain the demo's models and redraw its pictures (hours)", ("dvc repro demo/dvc.yaml",)),
}


def commands_of(name: str) -> list[Command]:
    """The task's command lines, those of the tasks that it needs first."""
    task = TASKS[name]
    if name == "setup":
        return list(_setting_up())
    own = [_split(each) for each in task.commands]
    return [command for need in task.needs for command in commands_of(need)] + own


def _split(text: str) -> Command:
    """Words; those in single quotes are one."""
    parts = text.split("'")
    return tuple(
        word for number, part in enumerate(parts) for word in ([part] if number % 2 else part.split())
    )


def extras() -> str:
    return "test,cuda" if nvidia_card.is_there() else "test"


def _setting_up() -> Iterator[Command]:
    """torch first and alone: pip then has nothing to choose. The other packages come from PyPI alone."""
    python = str(PROGRAMS / ("python.exe" if IS_WINDOWS else "python"))
    install = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    bound = ("--constraint", str(ROOT / "constraints.txt"))
    yield sys.executable, "-m", "venv", str(VENV)
    yield (*install, *bound, *_torch())
    yield (*install, *bound, "--editable", f"{ROOT}[{extras()}]")


def _torch() -> tuple[str, ...]:
    """pip's words for torch. With an NVIDIA card a torch for the CPU is replaced; pip would keep it, because
    its version is the same.
    """
    build = _torch_build()
    if not nvidia_card.is_there() or build.startswith(("cu", "rocm")):
        return ("torch",)
    if IS_WINDOWS:
        return "--extra-index-url", CUDA_INDEX, f"torch=={_torch_version()}+{CUDA_INDEX.rpartition('/')[2]}"
    return ("--force-reinstall", "--no-deps", "torch") if build == "cpu" else ("torch",)


def _torch_build() -> str:
    """`cu126`, `rocm7.2` or `cpu`, if .venv has a torch that says so; PyPI's says nothing."""
    places = VENV.glob("Lib/site-packages" if IS_WINDOWS else "lib/python*/site-packages")
    names = [each.name for place in places for each in place.glob("torch-*+*.dist-info")]
    return names[0].removesuffix(".dist-info").partition("+")[2] if names else ""


def _torch_version() -> str:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("torch==")).removeprefix("torch==")


def is_ready() -> bool:
    """Whether .venv is newer than what it is made from. An empty note is one of the tests' extras."""
    if GIVEN:
        return True
    if not READY.is_file() or any(source.stat().st_mtime > READY.stat().st_mtime for source in SOURCES):
        return False
    return (READY.read_text(encoding="utf-8").strip() or "test") == extras()


def set_up() -> None:
    for command in _setting_up():
        run(command)
    READY.write_text(extras(), encoding="utf-8")


def run(command: Command) -> None:
    """Runs to the end; a failure ends this program with the same code. The program gets Ctrl-C and SIGTERM
    too, and ends in its own time: a training writes a checkpoint first.
    """
    environment = {
        **os.environ,
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ.get('PATH', '')}",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_MKDOCS_2_WARNING": "1",
    }
    program = shutil.which(command[0], path=environment["PATH"])
    if program is None:
        sys.exit(f"{command[0]} is not installed in {VENV}; delete {READY} and run this again")
    with subprocess.Popen([program, *command[1:]], cwd=ROOT, env=environment) as child:
        before = signal(SIGINT, lambda *_: None), signal(SIGTERM, lambda *_: child.terminate())
        code = child.wait()
        for number, handler in zip((SIGINT, SIGTERM), before, strict=True):
            signal(number, handler)
    if code:
        sys.exit(code if code > 0 else 128 - code)


def listing() -> str:
    return "\n".join(f"  python tasks.py {name:<11} {task.help}" for name, task in TASKS.items())


def do(name: str) -> None:
    if name == "setup" or not is_ready():
        set_up()
    for command in commands_of(name) if name != "setup" else ():
        run(command)
    if TASKS[name].end:
        print(TASKS[name].end)


def main(arguments: Sequence[str]) -> None:
    if any(each in HELP for each in arguments):
        print(f"python tasks.py [--dry] TASK...    --dry prints what a task runs; the tasks:\n{listing()}")
        return
    names = [each for each in arguments if each != "--dry"]
    if unknown := [name for name in names if name not in TASKS]:
        kind = "option" if unknown[0].startswith("-") else "task"
        sys.exit(f"{unknown[0]} is no {kind}; the tasks:\n{listing()}")
    if not names:
        print(listing())
    for name in names:
        if "--dry" in arguments:
            print("\n".join(" ".join(command) for command in commands_of(name)))
        else:
            do(name)


if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036 - said here, not as an error in the middle of pip
        sys.exit(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}")
    main(sys.argv[1:])
