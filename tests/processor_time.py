"""Which tests are slow, by a record of the processor time of each: `make check` leaves them out, `make test`
begins with the files that take longest, so that no worker is idle at the end.

`pytest -n 2 --dist loadfile --record-seconds` writes the record anew; a test that is not in it is fast.
"""

import resource
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.house.warm_python import warm_seconds

RECORD = Path(__file__).with_name("seconds.txt")
SLOW_SECONDS = 0.5
"""Of a test; or of a file's fixture, which then makes the whole file slow."""
PROPERTY = "processor_seconds"


@cache
def recorded() -> dict[str, float]:
    """Seconds by test (`file::name`, all its cases) or, where all of it is slow, by file."""
    rows = (line.split() for line in RECORD.read_text().splitlines() if not line.startswith("#"))
    return {name: float(seconds) for seconds, name in rows}


def file_of(test: str) -> str:
    return test.partition("::")[0]


def of_files() -> dict[str, float]:
    """Recorded seconds by file."""
    found = defaultdict[str, float](float)
    for name, seconds in recorded().items():
        found[file_of(name)] += seconds
    return found


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-seconds", action="store_true", help=f"write {RECORD.name} of this run")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes over half a second of processor time (tests/seconds.txt)")
    if not hasattr(config, "workerinput") and config.getoption("--record-seconds"):
        config.pluginmanager.register(Record())


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A file of which no test will run is not imported."""
    name = collection_path.relative_to(config.rootpath).as_posix()
    return True if "not slow" in config.getoption("-m") and name in recorded() else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    totals = of_files()
    items.sort(key=lambda item: -totals[file_of(item.nodeid)])
    for item in items:
        if {item.nodeid.partition("[")[0], file_of(item.nodeid)} & recorded().keys():
            item.add_marker("slow")


_last = 0.0


def processor_seconds() -> float:
    """Of this process, and of those that it has started and that have ended."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return warm_seconds() + sum(usage.ru_utime + usage.ru_stime for usage in usages)


def pytest_runtest_logstart() -> None:
    global _last  # noqa: PLW0603
    _last = processor_seconds()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Any:
    global _last
    report = yield
    before, _last = _last, processor_seconds()
    report.user_properties.append((PROPERTY, _last - before))
    return report


class Record:
    """Adds up what the tests took, and writes it down at the end."""

    def __init__(self) -> None:
        self.tests = defaultdict[str, float](float)
        self.fixtures = defaultdict[str, float](float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        seconds = dict(report.user_properties)[PROPERTY]
        assert isinstance(seconds, float)
        self.tests[report.nodeid.partition("[")[0]] += seconds
        if report.when == "setup":
            file = file_of(report.nodeid)
            self.fixtures[file] = max(self.fixtures[file], seconds)

    def pytest_sessionfinish(self) -> None:
        found = defaultdict[str, float](float)
        for test, seconds in self.tests.items():
            whole = self.fixtures[file_of(test)] > SLOW_SECONDS
            found[file_of(test) if whole else test] += seconds
        rows = sorted((name, seconds) for name, seconds in found.items() if seconds > SLOW_SECONDS)
        head = "# Seconds of processor time; `pytest -n 2 --dist loadfile --record-seconds` writes this.\n"
        RECORD.write_text(head + "".join(f"{seconds:.1f} {name}\n" for name, seconds in rows))
