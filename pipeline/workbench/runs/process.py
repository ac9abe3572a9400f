"""A process by more than its number: a number is given again after its process has ended."""

import os
from pathlib import Path

PROC = Path("/proc")
BOOT_ID = PROC / "sys/kernel/random/boot_id"
STATE, GROUP, STARTED = 0, 2, 19
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


def members(group: int) -> set[int]:
    """Numbers of the running processes of a process group."""
    if BOOT_ID.exists():
        pids = [int(each.name) for each in PROC.iterdir() if each.name.isdecimal()]
        return {pid for pid in pids if (found := _fields(pid)) and found[GROUP] == str(group)}
    import psutil

    return {pid for pid in psutil.pids() if _group_of(pid) == group and identity(pid)}


def _group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except OSError:
        return None


def _of_linux(pid: int) -> str | None:
    """Start in ticks since the boot, and which boot: not moved when the clock is set."""
    fields = _fields(pid)
    return f"{BOOT_ID.read_text(encoding='utf-8').strip()}/{fields[STARTED]}" if fields else None


def _fields(pid: int) -> list[str]:
    """Of /proc/<pid>/stat after the name; empty for a process that has ended."""
    try:
        said = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    fields = said.rpartition(")")[2].split()  # the name may hold anything, brackets too
    return [] if fields[STATE] in ENDED else fields
