"""What the pages know, kept up to date with the files: pictures, captions, decisions, an index."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import RLock
from typing import Any

from pipeline.captions.edit_file import edit_of
from pipeline.captions.edits import Edit, EditsOf
from pipeline.captions.finished import Caption
from pipeline.config.graph_file import RESOLVED_PARAMS, read_own_yaml
from pipeline.pictures.left_out import LeftOut
from pipeline.schemas import FilterTagsConfig
from pipeline.workbench.captions import TAG_ROWS, LiveCaptions
from pipeline.workbench.desk import Desk
from pipeline.workbench.matching import Matcher, tokens_of
from pipeline.workbench.pictures import PictureIndex, read_index, stamps_now
from pipeline.workbench.sorting import near_numbers

NO_PICTURES = PictureIndex((), {}, ((-1, -1),))


class Board:
    """For several threads: hold `lock` while using what it returns."""

    def __init__(self) -> None:
        self.desk, self.lock = Desk(), RLock()
        self.index = NO_PICTURES
        self.captions: LiveCaptions | None = None
        self.matcher = Matcher((), {}, self.scores, self.near)
        self.left_out: dict[int, str] = {}
        self.seen: tuple[object, ...] = ()

    def refresh_index(self) -> PictureIndex:
        """The pictures alone, which take no time to show; an index never changes, so it needs no lock."""
        if stamps_now() == self.index.stamps:
            return self.index
        with self.lock:
            if stamps_now() != self.index.stamps:
                self.index, self.captions, self.seen = read_index(), None, ()
            return self.index

    def refresh(self, seconds: float | None = None) -> "Board":
        """Everything; after the first time only what has changed. Captions are written for so long; without a
        limit all of them.
        """
        with self.lock:
            index = self.refresh_index()
            hashes = self.desk.hashes()
            seen = (
                index.stamps,
                hashes["tag_edits"],
                hashes["left_out"],
                _stamp(TAG_ROWS),
                _stamp(RESOLVED_PARAMS),
            )
            if seen != self.seen:
                if not self.seen or seen[3:] != self.seen[3:]:
                    self.captions = self._read_captions()
                    self.matcher = Matcher(self.index.pictures, {}, self.scores, self.near)
                self._follow()
                self.seen = seen
            self.freshen(seconds=seconds)
            return self

    def freshen(self, ids: Iterable[str] | None = None, seconds: float | None = None) -> None:
        """Writes captions that are stale."""
        if self.captions is not None and self.captions.stale:
            written = self.captions.freshen(ids, seconds)
            self.matcher.captions = self.captions.captions
            self.matcher.update(self.index.numbers[name] for name in written if name in self.index.numbers)

    @property
    def num_stale(self) -> int:
        return len(self.captions.stale) if self.captions else 0

    def _read_captions(self) -> LiveCaptions | None:
        if not (TAG_ROWS.exists() and RESOLVED_PARAMS.exists()):
            return None
        config = FilterTagsConfig.model_validate(read_own_yaml(RESOLVED_PARAMS)["filter_tags"])
        return LiveCaptions(config)

    def _follow(self) -> None:
        if self.captions:
            self.captions.follow(self.edits())
        theirs = EditsOf(self.edits(), self.index.numbers)
        self.matcher.edited = {n for n, picture in enumerate(self.index.pictures) if theirs(picture.id)}
        ids = {picture.picture for picture in self.index.pictures}
        left = LeftOut(self.desk.values("left_out"), ids)
        found = ((n, left.reason(each.picture)) for n, each in enumerate(self.index.pictures))
        self.left_out = {number: reason for number, reason in found if reason is not None}
        self.matcher.left_out = set(self.left_out)

    def edits(self) -> list[Edit]:
        return [edit_of(name, value) for name, value in self.desk.values("tag_edits").items()]

    def scores(self, tag: str) -> Mapping[str, float]:
        return self.captions.scores(tag) if self.captions else {}

    def near(self, picture_id: str) -> Iterable[int]:
        return near_numbers(self.index, picture_id)

    def caption(self, number: int) -> Caption | None:
        return self.captions.captions.get(self.index.pictures[number].id) if self.captions else None

    def row(self, number: int) -> dict[str, Any]:
        """All about one picture."""
        picture = self.index.pictures[number]
        self.freshen([picture.id])
        caption = self.caption(number)
        row: dict[str, Any] = {
            "id": picture.id,
            "picture": picture.picture,
            "original": picture.original,
            "notes": list(picture.notes),
            "made": picture.made,
            "left": self.left_out.get(number),
        }
        if caption is not None:
            row |= {
                "caption": caption.text,
                "tokens": tokens_of(caption),
                "kept": list(caption.kept),
                "added": {added.tag: added.rule for added in caption.added},
                "dropped": [[drop.tag, drop.rule, drop.score] for drop in caption.dropped],
            }
        return row


def _stamp(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0
