"""Captions of a place's pictures: from sidecars, metadata tables, or the place itself."""

import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from pipeline.files.sorted_rows import SortedRows
from pipeline.files.text_file import CAPTION
from pipeline.pictures import metadata_rows, sidecars
from pipeline.pictures.places import Folder, SourceFolder, is_picture, suffix_of
from pipeline.texts.lines import CaptionReader


class SourceCaptions:
    """Call `open` with each folder, parents first, then `take` for its pictures."""

    def __init__(
        self, place: SourceFolder, columns: Sequence[str], problems: list[str], reader: CaptionReader
    ) -> None:
        self.place, self.columns, self.problems, self.reader = place, columns, problems, reader
        self.rows = SortedRows()
        """(table, name there, caption) by the picture's path, until taken."""
        self.used: set[str] = set()
        """Files of the open folder that belong to a picture or are tables."""

    def open(self, folder: Folder) -> None:
        self.folder = folder
        self.used = {name for name in folder.files if name.lower() in metadata_rows.METADATA_FILES}
        for name in sorted(self.used):
            self._read_table(folder.of(name))
        theirs = [
            name
            for name in folder.files
            if suffix_of(name) in sidecars.SIDECAR_SUFFIXES and name not in self.used
        ]
        self.sidecars = {_same(name): name for name in theirs}
        pictures = filter(is_picture, folder.files)
        claimed = {_same(name) for picture in pictures for name in sidecars.names_for(picture)}
        self.folded = {_same(name).casefold(): name for name in theirs if _same(name) not in claimed}
        """Sidecars without an exact match, ignoring case: `a.TXT` is the caption of `a.PNG`."""

    def _read_table(self, table: str) -> None:
        parent = PurePosixPath(table).parent
        try:
            for name, caption in self._rows(table):
                self.rows.add(str(parent / name), table, (table, name, caption))
        except sidecars.CaptionError as error:
            self.problems.append(f"{self.place.shown}/{table}: {error}")

    def _rows(self, table: str) -> Iterator[tuple[str, str | None]]:
        path = self.place.root / table
        return metadata_rows.read_rows(path, self.columns, self.reader.separators)

    def take(self, picture: str) -> str | None:
        """The caption of a picture of the open folder."""
        path = self.folder.of(picture)
        captions = [caption for *_, caption in [*self.rows.take(path), *self.place.origins.of(path)]]
        caption: str | None = captions[-1] if captions else None
        names = [_same(name) for name in sidecars.names_for(picture)]
        matches = [self.sidecars.get(name) or self.folded.get(name.casefold()) for name in names]
        there = list(dict.fromkeys(filter(None, matches)))
        self.used.update(there)
        for name in there[:1]:
            if caption is not None:
                self.problems.append(
                    f"{self.place.shown}/{path}: has captions in {name} and in a metadata table; delete one"
                )
            try:
                sidecar = self.place.root / self.folder.of(name)
                caption = sidecars.read_caption(sidecar, self.reader.separators)
            except sidecars.CaptionError as error:
                self.problems.append(f"{self.place.shown}/{self.folder.of(name)}: {error}")
        if caption is not None and len(caption) > CAPTION.most:
            self.problems.append(
                f"{self.place.shown}/{path}: its caption has {len(caption)} characters, but the limit is"
                f" {CAPTION.most}; {CAPTION.cure}"
            )
            return None
        return None if caption is None else self.reader(caption, f"{self.place.shown}/{path}")

    def without_picture(self) -> Iterator[str]:
        """Call at the end: problems with rows that match no picture."""
        for table, name, _ in self.rows:
            yield f"{self.place.shown}/{table}: no picture {name!r} in its folder; correct the row"


def _same(name: str) -> str:
    """Equal for names that look the same, however the system encodes accents."""
    return unicodedata.normalize("NFC", name)
