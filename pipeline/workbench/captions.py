"""Every picture's caption as filter-tags would write it now: its own code, run in memory over data/tags/."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from pipeline.captions.caption import CaptionWriter
from pipeline.captions.edits import Edit, EditsOf
from pipeline.captions.finished import Caption
from pipeline.captions.seen import TagsRow
from pipeline.captions.tags import Dropped
from pipeline.captions.thresholds import with_thresholds
from pipeline.schemas import FilterTagsConfig

MOST_IN_A_SLICE = 500
"""Captions of one time-limited call: to sort all stale ones takes longer than to write some."""
TAG_ROWS = Path("data/tags/tags.jsonl")


class RowsOnDisk:
    """The rows of tags.jsonl, read one at a time: in memory is where each begins."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.starts: dict[str, int] = {}
        place = 0
        with path.open("rb") as file:
            for line in file:
                self.starts[json.loads(line)["id"]] = place
                place += len(line)

    def __iter__(self) -> Iterator[TagsRow]:
        with self.path.open("rb") as file:
            yield from map(json.loads, file)

    def of(self, ids: Iterable[str]) -> Iterator[tuple[str, TagsRow]]:
        with self.path.open("rb") as file:
            for name in ids:
                file.seek(self.starts[name])
                yield name, json.loads(file.readline())


class LiveCaptions:
    """`captions`: by picture id, under the edits of the last `follow`, but for those that are `stale`: they
    are written when there is time, or when somebody asks for them.
    """

    def __init__(self, config: FilterTagsConfig, path: Path = TAG_ROWS) -> None:
        self.rows = RowsOnDisk(path)
        self.writer = CaptionWriter(self.rows, with_thresholds(config, path.parent))
        self.edits: Sequence[Edit] = ()
        self.theirs = EditsOf((), ())
        self.captions: dict[str, Caption] = {}
        self.drops: dict[tuple[str, str], Dropped] = {}
        self.stale = set(self.rows.starts)

    def _slim(self, caption: Caption) -> Caption:
        """The same, sharing with the others what a set repeats thousands of times: its tags, and its dropped
        tags without their scores (`written` has these).
        """
        kept = tuple(map(sys.intern, caption.kept))
        lost = tuple(
            self.drops.setdefault((drop.tag, drop.rule), Dropped(drop.tag, drop.rule, None))
            for drop in caption.dropped
        )
        return Caption(caption.text, caption.trigger, kept, lost, caption.added, caption.own)

    def follow(self, edits: Sequence[Edit]) -> None:
        """Captions that the edits change are stale."""
        if edits != self.edits:
            now = EditsOf(edits, self.rows.starts)
            self.stale |= self._touched(now)
            self.edits, self.theirs = edits, now

    def freshen(
        self,
        ids: Iterable[str] | None = None,
        seconds: float | None = None,
        is_awaited: Callable[[], bool] = lambda: False,
    ) -> list[str]:
        """Writes the stale ones of these, else of all, for so long or until another waits; their ids."""
        end = float("inf") if seconds is None else time.monotonic() + seconds
        done = list[str]()
        every = self.stale if seconds is None else set(islice(self.stale, MOST_IN_A_SLICE))
        stale = every if ids is None else self.stale.intersection(ids)
        for name, caption in self.written(stale, self.edits):
            self.captions[name] = self._slim(caption)
            done.append(name)
            if time.monotonic() > end or (seconds is not None and is_awaited()):
                break
        self.stale.difference_update(done)
        return done

    def _touched(self, now: EditsOf) -> set[str]:
        """Pictures whose edits are others than before."""
        before = self.theirs
        if before.patterns or now.patterns:
            return {name for name in self.rows.starts if before(name) != now(name)}
        old, new = ({edit.target: edit for edit in each.edits} for each in (before, now))
        others = {name for name, edit in new.items() if (was := old.get(name)) is not edit and was != edit}
        return (others | (old.keys() - new.keys())) & self.rows.starts.keys()

    def written(self, ids: Iterable[str], edits: Sequence[Edit]) -> Iterator[tuple[str, Caption]]:
        """Captions under other edits, for a preview."""
        theirs = self.theirs if edits is self.edits else EditsOf(edits, self.rows.starts)
        for name, row in self.rows.of(sorted(ids)):
            yield name, self.writer.caption(row, theirs(name))

    def scores(self, tag: str) -> dict[str, float]:
        """A tag's score by picture."""
        raw = tag.replace(" ", "_")
        found = dict[str, float]()
        for row in self.rows:
            for scores in row["scores"].values():
                value: Any = scores.get(raw, scores.get(tag))
                if value is not None:
                    found[row["id"]] = float(value)
        return found
