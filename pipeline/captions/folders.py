"""Import and export of folders with a .txt next to each picture, as sd-scripts and AUTOMATIC1111 read them:
`<repeats>_<concept>` folders, or one folder of files.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from unicodedata import normalize

from pipeline.captions.caption import CaptionWriter
from pipeline.captions.edits import Edit, EditsOf
from pipeline.captions.seen import TagsRow
from pipeline.captions.text import unescaped
from pipeline.errors import UserError
from pipeline.files.atomic import new_folder
from pipeline.files.text_file import CAPTION, read_text
from pipeline.pictures.folder_names import REPEATS_CONCEPT
from pipeline.pictures.records import PICTURE_FOLDER, Record
from pipeline.texts.separators import separators_of

CLASS = "reg"
"""Folder of the class pictures: trainers take it as a separate directory."""


def export_folder(target: Path, records: Sequence[Record], source: Path, texts: Mapping[str, str]) -> None:
    """Copies the pictures of `source` (a stage's output) and writes `texts` (by id) next to them; `target`
    must be new or empty.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"{target} is not empty, and nothing is overwritten; name a new folder")
    if missing := [record.id for record in records if record.id not in texts]:
        raise UserError(f"no caption for {', '.join(missing[:5])}; run `dvc repro tag`, then this again")
    with new_folder(target) as folder:
        for record in records:
            tree = folder / CLASS if record.is_class else folder
            picture = tree / f"{record.repeats}_{record.id}{Path(record.file).suffix}"
            picture.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / PICTURE_FOLDER / record.file, picture)
            write_caption(picture.with_name(f"{picture.stem}.txt"), texts[record.id])


def write_caption(path: Path, text: str) -> None:
    """The caption verbatim, without a final newline."""
    path.write_text(text, encoding="utf-8", newline="")


def read_caption(path: Path) -> str:
    """The caption in a .txt file, without a byte order mark and final newlines, which editors add."""
    return read_text(path, CAPTION).rstrip("\r\n").replace("\r\n", "\n")


def read_folder(folder: Path, ids: Sequence[str]) -> dict[str, str]:
    """Captions by picture id. One user error lists every .txt that does not belong to exactly one picture."""
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; name one that --export wrote")
    known = {normalize("NFC", picture_id): picture_id for picture_id in ids}
    texts, problems = dict[str, str](), list[str]()
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".txt"):
        owners = list(_owners(path, known))
        if len(owners) != 1 or owners[0] in texts:
            names = ", ".join(owners) or "none"
            problems.append(f"{path}: must belong to exactly one picture, found {names}; rename or remove it")
        else:
            texts[owners[0]] = read_caption(path)
    if problems:
        raise UserError(*problems)
    if not texts:
        raise UserError(f"{folder} has no .txt files; name a folder that --export wrote")
    return texts


def _owners(path: Path, known: Mapping[str, str]) -> Iterator[str]:
    """Ids that a .txt may belong to: by its folder's concept and its stem, or else by its stem."""
    stem = normalize("NFC", path.stem)
    if named := REPEATS_CONCEPT.fullmatch(path.absolute().parent.name):
        key = f"{normalize('NFC', named['concept'])}/{stem}"
        if key in known:
            yield known[key]
    else:
        yield from (picture_id for key, picture_id in known.items() if key.rpartition("/")[2] == stem)


def imported_edits(texts: Mapping[str, str], writer: CaptionWriter, edits: Sequence[Edit]) -> list[Edit]:
    """Edits that make the next run write exactly `texts` (by id), for pictures with another caption now."""
    of_picture, problems, new = EditsOf(edits, writer.ids()), list[str](), list[Edit]()
    for row in writer.rows:
        picture_id, theirs = row["id"], of_picture(row["id"])
        text = texts.get(picture_id)
        if text is None or writer.caption(row, theirs).text == text:
            continue
        edit = _edit(row, text, writer, theirs)
        if edit is None:
            last = theirs[-1].target
            problems.append(
                f"{picture_id}: the entry {last!r} comes after the picture's own and changes it again;"
                f" move {last!r} above it"
            )
        else:
            new.append(edit)
    if problems:
        raise UserError(*problems)
    return new


def _edit(row: TagsRow, text: str, writer: CaptionWriter, edits: Sequence[Edit]) -> Edit | None:
    """The difference as `add` and `remove`, which outlive new tags of the picture, if something is left and
    the result is exactly the text; else the whole text.
    """
    picture_id = row["id"]
    others = [edit for edit in edits if edit.target != picture_id]
    captions = next((edit.captions for edit in edits if edit.target == picture_id), {})
    have, edited = writer.caption(row, others).kept, _parts(text, separators_of(writer.config).joiner)
    removed = tuple(part for part in have if part not in edited)
    added = tuple(part for part in edited if part not in have)
    edit_tags = Edit(picture_id, add=added, remove=removed, captions=captions)
    tags = [edit_tags] if all(edited) and set(have) & set(edited) else []
    for edit in (*tags, Edit(picture_id, set=text, captions=captions)):
        if writer.caption(row, _with(edits, edit)).text == text:
            return edit
    return None


def _parts(text: str, joiner: str) -> list[str]:
    return [unescaped(part) for part in text.split(joiner)] if text else []


def _with(edits: Sequence[Edit], new: Edit) -> list[Edit]:
    """`new` replaces the picture's own entry, or comes last."""
    if any(edit.target == new.target for edit in edits):
        return [new if edit.target == new.target else edit for edit in edits]
    return [*edits, new]
