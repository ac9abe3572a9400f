"""Folders of pictures with a .txt of the same stem beside each, as sd-scripts and AUTOMATIC1111 read them,
both ways: `<repeats>_<concept>` folders, or one folder of files.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from unicodedata import normalize

from pipeline.captions.caption import Writer
from pipeline.captions.edits import Edit, EditsOf
from pipeline.captions.seen import Row
from pipeline.captions.text import unescaped
from pipeline.errors import UserError
from pipeline.files.atomic import new_folder
from pipeline.files.text_file import CAPTION, read_text
from pipeline.pictures.folder_names import REPEATS_CONCEPT
from pipeline.pictures.records import PICTURES, Record
from pipeline.texts.separators import separators_of

CLASS = "reg"
"""Folder of the class pictures' own tree, which a trainer is given apart from the other."""


def export_folder(target: Path, records: Sequence[Record], source: Path, texts: Mapping[str, str]) -> None:
    """Pictures of `source` (a stage's output) with `texts` by id beside them; `target` must be new or
    empty.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"{target} is not empty; name a new folder, nothing is overwritten")
    if missing := [record.id for record in records if record.id not in texts]:
        raise UserError(f"no caption for {', '.join(missing[:5])}; run `dvc repro tag`, then this again")
    with new_folder(target) as folder:
        for record in records:
            tree = folder / CLASS if record.is_class else folder
            picture = tree / f"{record.repeats}_{record.id}{Path(record.file).suffix}"
            picture.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / PICTURES / record.file, picture)
            write_caption(picture.with_name(f"{picture.stem}.txt"), texts[record.id])


def write_caption(path: Path, text: str) -> None:
    """The caption to the letter: no newline at its end."""
    path.write_text(text, encoding="utf-8", newline="")


def read_caption(path: Path) -> str:
    """The caption in a .txt file. A byte order mark and newlines at the end are the editor's, not the
    caption's.
    """
    return read_text(path, CAPTION).rstrip("\r\n").replace("\r\n", "\n")


def read_folder(folder: Path, ids: Sequence[str]) -> dict[str, str]:
    """Captions by picture id. A .txt that belongs to no picture, or not to one alone, is a user error; all of
    them together.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder; name one that --export wrote")
    known = {normalize("NFC", picture_id): picture_id for picture_id in ids}
    texts, problems = dict[str, str](), list[str]()
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".txt"):
        found = list(_owners(path, known))
        if len(found) != 1 or found[0] in texts:
            names = ", ".join(found) or "none"
            problems.append(f"{path}: belongs to one picture, found {names}; rename or remove it")
        else:
            texts[found[0]] = read_caption(path)
    if problems:
        raise UserError(*problems)
    if not texts:
        raise UserError(f"{folder}: no .txt in it; name a folder that --export wrote")
    return texts


def _owners(path: Path, known: Mapping[str, str]) -> Iterator[str]:
    """Ids that a .txt may belong to: by its folder's concept, else by its stem alone."""
    stem = normalize("NFC", path.stem)
    if named := REPEATS_CONCEPT.fullmatch(path.absolute().parent.name):
        key = f"{normalize('NFC', named['concept'])}/{stem}"
        if key in known:
            yield known[key]
    else:
        yield from (picture_id for key, picture_id in known.items() if key.rpartition("/")[2] == stem)


def imported_edits(texts: Mapping[str, str], writer: Writer, edits: Sequence[Edit]) -> list[Edit]:
    """The edits with which the next run writes exactly `texts` (by id), for the pictures whose caption
    differs now.
    """
    of_picture, problems, new = EditsOf(edits, writer.ids()), list[str](), list[Edit]()
    for row in writer.rows:
        picture_id, theirs = row["id"], of_picture(row["id"])
        text = texts.get(picture_id)
        if text is None or writer.caption(row, theirs).text == text:
            continue
        found = _edit(row, text, writer, theirs)
        if found is None:
            last = theirs[-1].target
            problems.append(
                f"{picture_id}: the entry {last!r} comes after the picture's own and changes it again;"
                f" move {last!r} above it"
            )
        else:
            new.append(found)
    if problems:
        raise UserError(*problems)
    return new


def _edit(row: Row, text: str, writer: Writer, edits: Sequence[Edit]) -> Edit | None:
    """What differs as `add` and `remove`, which live on when the picture is tagged anew, if something stays
    and that gives the text to the letter; else the whole text.
    """
    picture_id = row["id"]
    others = [edit for edit in edits if edit.target != picture_id]
    have, wanted = writer.caption(row, others).kept, _parts(text, separators_of(writer.config).joiner)
    removed = tuple(part for part in have if part not in wanted)
    added = tuple(part for part in wanted if part not in have)
    tags = [Edit(picture_id, add=added, remove=removed)] if all(wanted) and set(have) & set(wanted) else []
    for edit in (*tags, Edit(picture_id, set=text)):
        if writer.caption(row, _with(edits, edit)).text == text:
            return edit
    return None


def _parts(text: str, joiner: str) -> list[str]:
    return [unescaped(part) for part in text.split(joiner)] if text else []


def _with(edits: Sequence[Edit], new: Edit) -> list[Edit]:
    """`new` in the place of the picture's own entry, else last."""
    if any(edit.target == new.target for edit in edits):
        return [new if edit.target == new.target else edit for edit in edits]
    return [*edits, new]
