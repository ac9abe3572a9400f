"""A process by more than its number: a number is given again after its process has ended."""

from pathlib import Path

PROC = Path("/proc")
BOOT_ID = PROC / "sys/kernel/random/boot_id"
STATE, STARTED = 0, 19
"""Places after the name in /proc/<pid>/stat."""
ENDED = ("Z", "X")


def identity(pid: int) -> str | None:
    """What the running process of this number is; None if there is none."""
    if BOOT_ID.exists():
        return _of_linux(pid)
    import psutil  # type: ignore[import-untyped]

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.Error:
        return None


def _of_linux(pid: int) -> str | None:
    """Start in ticks since the boot, and which boot: not moved when the clock is set."""
    try:
        said = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        boot = BOOT_ID.read_text(encoding="utf-8").strip()
    except OSError:
        return None
    fields = said.rpartition(")")[2].split()  # the name may hold anything, brackets too
    return None if fields[STATE] in ENDED else f"{boot}/{fields[STARTED]}"
