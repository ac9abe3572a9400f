"""/: what to do next, each line with the page where it is decided."""

from collections.abc import Iterator
from typing import Any

from pipeline.errors import UserError
from pipeline.workbench.board import Board
from pipeline.workbench.commits import DECISION_PATHS, changed
from pipeline.workbench.gate import Gate
from pipeline.workbench.grid import SampleGrid
from pipeline.workbench.journal import number_of
from pipeline.workbench.last_run import compared, last_verdict, proposed
from pipeline.workbench.ranking import standing_of
from pipeline.workbench.stale import stale_stages

RUN_PAGE = "/run"
"""It starts stages and commits decisions."""
MOST_STRIP = 12
NEAR_DUPLICATE = "near_duplicate"
WITHOUT_CAPTION = "/data?q=tags%3A%3C1"
Line = dict[str, str]


def shown(board: Board, gate: Gate, grid: SampleGrid) -> dict[str, Any]:
    """For the page."""
    grid.refresh()
    found = proposed(grid)
    sources = (_faults(gate), _pictures(board), _stages(), _votes(grid), _uncommitted())
    return {
        "lines": [line for source in sources for line in _or_why_not(source)],
        "verdict": last_verdict(),
        "proposed": found,
        "four": compared(grid, found),
        "strip": found["pictures"][:MOST_STRIP] if found and found["pictures"] else _some(board),
        "undo": len(board.desk.journal.done),
        "redo": len(board.desk.journal.undone),
    }


def _or_why_not(lines: Iterator[Line]) -> Iterator[Line]:
    """A file that cannot be read is a line too, and the others still come."""
    try:
        yield from lines
    except UserError as error:
        yield from (_line("wrong", problem) for problem in error.problems[:3])
    except (OSError, ValueError, KeyError, TypeError) as error:
        yield _line("wrong", f"a file cannot be read: {error}")


def _line(kind: str, text: str, link: str = "", verb: str = "") -> Line:
    return {"kind": kind, "text": text, "link": link, "verb": verb}


def _faults(gate: Gate) -> Iterator[Line]:
    content = gate.shown()
    undecided = [
        fault
        for fault in content["faults"]
        if not (fault["waived"] or fault["left"]) and fault["verdict"] != "waived"
    ]
    pairs = [fault for fault in undecided if fault["check"] == NEAR_DUPLICATE]
    if others := len(undecided) - len(pairs):
        yield _line("faults", f"{number_of(others, 'fault')} to decide", "/gate", "Decide")
    if pairs:
        yield _line("near", f"{number_of(len(pairs), 'near duplicate')} to decide", "/gate", "Choose")


def _pictures(board: Board) -> Iterator[Line]:
    with board.lock:
        board.refresh(0)
        number = len(board.index.pictures)
        if not number:
            yield _line("pictures", "no pictures yet: `dvc repro collect` reads them")
            return
        if board.captions is None:
            yield _line("captions", "no captions yet: `dvc repro filter-tags` writes them", "/data", "Look")
            return
        texts = [caption.text for caption in board.captions.captions.values()]
    if missing := sum(not text for text in texts):
        text = f"{number_of(missing, 'picture')} without caption"
        yield _line("captions", text, WITHOUT_CAPTION, "Write")


def _stages() -> Iterator[Line]:
    if stale := stale_stages():
        verb = "is" if len(stale) == 1 else "are"
        text = f"{number_of(len(stale), 'stage')} {verb} out of date: {', '.join(stale)}"
        yield _line("stages", text, RUN_PAGE, "Run")


def _votes(grid: SampleGrid) -> Iterator[Line]:
    if len(grid.voted_on()) > 1:
        yield _line("votes", standing_of(grid) or "no votes on this grid yet", "/grid", "Vote")


def _uncommitted() -> Iterator[Line]:
    try:
        names = sorted(DECISION_PATHS[name].as_posix() for name in changed())
    except UserError:  # outside a repository there is nothing to commit
        return
    if names:
        text = f"{number_of(len(names), 'file')} with decisions that are not committed: {', '.join(names)}"
        yield _line("git", text, RUN_PAGE, "Commit")


def _some(board: Board) -> list[str]:
    """The first pictures of the set, before there is a grid."""
    return [picture.sha256 for picture in board.newest.pictures[:MOST_STRIP]]
