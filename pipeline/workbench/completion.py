"""Names for a tag field: this set's tags by count, then the tagger's, then those of the implication list."""

import csv
from bisect import bisect_left
from pathlib import Path
from typing import Any

from pipeline.captions.text import same, spaced
from pipeline.config.graph_file import RESOLVED_PARAMS, read_own_yaml
from pipeline.errors import UserError
from pipeline.files.text_file import LABEL_FILE, read_text
from pipeline.number_text import index_in
from pipeline.workbench.board import Board

MOST_COMPLETIONS = 12
MOST_POSTS = 10**11
"""A larger count in a tagger's list counts as none."""
TAGGER_LIST = "selected_tags.csv"
Named = tuple[str, int, str]
"""A tag, its count, and where it is from."""


class Completion:
    """Finds names by the beginning of any of their words, in sorted lists of those beginnings."""

    def __init__(self) -> None:
        self.starts: list[tuple[str, int]] = []
        self.named: list[Named] = []
        self.is_read = False

    def names(self, board: Board, text: str) -> list[dict[str, Any]]:
        wanted = same(spaced(text)).strip()
        if not wanted:
            return []
        with board.lock:
            board.refresh(0)
            matcher = board.matcher
            own = {name: len(having) for name, having in matcher.kept.items() if _begins(name, wanted)}
        first = sorted(own, key=lambda name: (-own[name], name))[:MOST_COMPLETIONS]
        found = [(matcher.spelling[name], own[name], "this set") for name in first]
        others = (named for named in self._listed(wanted) if same(named[0]) not in own)
        for named in others:
            if len(found) >= MOST_COMPLETIONS:
                break
            found.append(named)
        return [{"tag": tag, "count": count, "from": source} for tag, count, source in found]

    def _listed(self, wanted: str) -> list[Named]:
        if not self.is_read:
            self._read()
        place, found = bisect_left(self.starts, (wanted, -1)), set[int]()
        while place < len(self.starts) and self.starts[place][0].startswith(wanted):
            found.add(self.starts[place][1])
            place += 1
        best = sorted(found, key=lambda number: (-self.named[number][1], self.named[number][0]))
        return [self.named[number] for number in best[: 4 * MOST_COMPLETIONS]]

    def _read(self) -> None:
        self.is_read = True
        self.named = _of_tagger()
        starts = (
            (name[place:], number)
            for number, (tag, *_) in enumerate(self.named)
            for name in (same(tag),)
            for place in _word_starts(name)
        )
        self.starts = sorted(starts)


def _word_starts(name: str) -> list[int]:
    return [0, *(place + 1 for place, sign in enumerate(name) if sign == " ")]


def _begins(name: str, wanted: str) -> bool:
    return name.startswith(wanted) or f" {wanted}" in name


def _of_tagger() -> list[Named]:
    """The lists of the taggers that lie in folders here; none is fetched."""
    if not RESOLVED_PARAMS.exists():
        return []
    models = read_own_yaml(RESOLVED_PARAMS).get("tag", {}).get("model") or []
    found: dict[str, Named] = {}
    for name in [models] if isinstance(models, str) else models:
        path = Path(name) / TAGGER_LIST
        try:
            lines = read_text(path, LABEL_FILE).splitlines() if path.is_file() else []
        except UserError:  # the stage tells of it
            lines = []
        for row in csv.DictReader(lines):
            tag, count = spaced(row.get("name") or ""), row.get("count") or ""
            if tag:
                found.setdefault(tag, (tag, index_in(count, MOST_POSTS) or 0, "tagger"))
    return list(found.values())
