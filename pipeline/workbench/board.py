"""What the pages know, kept up to date with the files: pictures, captions, decisions, an index."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from threading import RLock
from typing import Any

from pydantic import ValidationError

from pipeline.captions.edit_file import edit_of
from pipeline.captions.edits import Edit, EditsOf
from pipeline.captions.finished import Caption
from pipeline.captions.tags import Dropped
from pipeline.config.graph_file import RESOLVED_PARAMS, read_own_yaml
from pipeline.errors import UserError
from pipeline.pictures.left_out import LeftOut
from pipeline.schemas import FilterTagsConfig
from pipeline.workbench.captions import TAG_ROWS, LiveCaptions
from pipeline.workbench.desk import Desk
from pipeline.workbench.matching import Matcher, tokens_of
from pipeline.workbench.pictures import PictureIndex, read_index, stamps_now
from pipeline.workbench.shared_lock import SharedLock
from pipeline.workbench.sorting import near_numbers

NO_PICTURES = PictureIndex((), {}, ((-1, -1),))


class Board:
    """For several threads: hold `lock` while using what it returns."""

    def __init__(self) -> None:
        self.desk, self.lock = Desk(), SharedLock()
        self.index, self.newest, self.index_lock = NO_PICTURES, NO_PICTURES, RLock()
        self.captions: LiveCaptions | None = None
        self.matcher = Matcher((), {}, self.scores, self.near)
        self.left_out: dict[int, str] = {}
        self.seen: tuple[object, ...] = ()
        self.edits_of: tuple[str, list[Edit]] = ("", [])
        self.known_edits: dict[str, tuple[Any, Edit]] = {}

    def refresh_index(self) -> PictureIndex:
        """The newest pictures alone, at once: whoever needs no captions does not wait for them."""
        with self.index_lock:
            if stamps_now() != self.newest.stamps:
                self.newest = read_index()
            return self.newest

    def refresh(self, seconds: float | None = None) -> "Board":
        """Everything; after the first time only what has changed. Captions are written for so long; without a
        limit all of them.
        """
        index = self.refresh_index()
        with self.lock:
            hashes = self.desk.hashes()
            seen = (
                index.stamps,
                hashes["tag_edits"],
                hashes["left_out"],
                _stamp(TAG_ROWS),
                _stamp(RESOLVED_PARAMS),
            )
            if seen != self.seen:
                if not self.seen or (seen[0], *seen[3:]) != (self.seen[0], *self.seen[3:]):
                    self.index = index
                    self.captions = self._read_captions()
                    self.matcher = Matcher(self.index.pictures, {}, self.scores, self.near)
                self._follow()
                self.seen = seen
            self.freshen(seconds=seconds)
            return self

    def freshen(self, ids: Iterable[str] | None = None, seconds: float | None = None) -> None:
        """Writes captions that are stale; work on all of them ends when somebody else waits."""
        with self.lock:
            if self.captions is None or not self.captions.stale:
                return
            written = self.captions.freshen(ids, seconds, self.lock.is_awaited)
            self.matcher.captions = self.captions.captions
            self.matcher.update(self.index.numbers[name] for name in written if name in self.index.numbers)

    @property
    def num_stale(self) -> int:
        return len(self.captions.stale) if self.captions else 0

    def _read_captions(self) -> LiveCaptions | None:
        if not (TAG_ROWS.exists() and RESOLVED_PARAMS.exists()):
            return None
        try:
            config = FilterTagsConfig.model_validate(read_own_yaml(RESOLVED_PARAMS)["filter_tags"])
        except (ValidationError, KeyError):
            raise UserError(f"{RESOLVED_PARAMS} is of another version; run `dvc repro compose`") from None
        return LiveCaptions(config)

    def _follow(self) -> None:
        if self.captions:
            self.captions.follow(self.edits())
        theirs = EditsOf(self.edits(), self.index.numbers)
        self.matcher.edited = set(map(self.index.numbers.__getitem__, theirs.exact))
        if theirs.patterns:
            self.matcher.edited = {n for n, picture in enumerate(self.index.pictures) if theirs(picture.id)}
        if not self.desk.values("left_out"):
            self.left_out, self.matcher.left_out = {}, set()
            return
        ids = {picture.picture for picture in self.index.pictures}
        left = LeftOut(self.desk.values("left_out"), ids)
        found = ((n, left.reason(each.picture)) for n, each in enumerate(self.index.pictures))
        self.left_out = {number: reason for number, reason in found if reason is not None}
        self.matcher.left_out = set(self.left_out)

    def edits(self) -> list[Edit]:
        """Of data/tag_edits.yaml, as it is now."""
        file = self.desk.open("tag_edits")
        if file.sha256 != self.edits_of[0]:
            self.known_edits = {name: self._edit(name, value) for name, value in file.values.items()}
            self.edits_of = (file.sha256, [edit for _, edit in self.known_edits.values()])
        return self.edits_of[1]

    def _edit(self, name: str, value: Any) -> tuple[Any, Edit]:
        """An entry and its edit; made once for the same entry."""
        known = self.known_edits.get(name)
        return known if known is not None and known[0] is value else (value, edit_of(name, value))

    def scores(self, tag: str) -> Mapping[str, float]:
        return self.captions.scores(tag) if self.captions else {}

    def near(self, picture_id: str) -> Iterable[int]:
        return near_numbers(self.index, picture_id)

    def caption(self, number: int) -> Caption | None:
        return self.captions.captions.get(self.index.pictures[number].id) if self.captions else None

    def _dropped(self, picture_id: str) -> Sequence[Dropped]:
        """With their scores, which no caption in memory has."""
        assert self.captions is not None
        ((_, caption),) = self.captions.written([picture_id], self.captions.edits)
        return caption.dropped

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
                "dropped": [[drop.tag, drop.rule, drop.score] for drop in self._dropped(picture.id)],
            }
        return row


def _stamp(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0
