"""Finds the picture files of collect.source and collect.class_source: folders in place; archives, URL lists
and parquet tables are first unpacked below a work folder.
"""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from pipeline.errors import UserError
from pipeline.files.sorted_rows import SortedRows
from pipeline.pictures import archives, downloads
from pipeline.pictures.folders import Findings, read_folder
from pipeline.pictures.formats import PICTURE_FILE_SUFFIXES
from pipeline.pictures.found import PictureScan
from pipeline.pictures.parquet_rows import ParquetError, read_parquet
from pipeline.pictures.places import SourceFolder, suffix_of
from pipeline.pictures.verdicts import Fault
from pipeline.schemas import CollectConfig
from pipeline.texts.lines import CaptionReader
from pipeline.texts.separators import Separators

SOURCE_KINDS = (
    f"a folder, an archive ({', '.join(archives.ARCHIVE_SUFFIXES)}), a .txt of URLs, or a .parquet table"
)


@contextmanager
def work_folder(path: Path) -> Iterator[Path]:
    """A path for unpacked sources: absent at the start, removed at the end."""
    shutil.rmtree(path, ignore_errors=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def find(config: CollectConfig, work: Path) -> Findings:
    """Every picture of the sources, by id, and all problems; `work` need not exist."""
    whole = Findings(captions=CaptionReader(config.caption_lines, Separators(config.caption_separator)))
    for key, is_class in (("source", False), ("class_source", True)):
        for source in paths(getattr(config, key)):
            place = _place(key, source, is_class, config, work, whole)
            if place is None:
                continue
            pictures, faults, left_out = len(whole.pictures), len(whole.faults), whole.names.left_out.total()
            _read(place, config, work, whole)
            if len(whole.pictures) == pictures:
                theirs = whole.faults[faults:]
                other = _other_content(theirs, whole.names.left_out.total() - left_out)
                suffixes = ", ".join(sorted(PICTURE_FILE_SUFFIXES))
                whole.problems.append(
                    f"collect.{key} {source}: no pictures in it{other}; readable: {suffixes}"
                )
    whole.problems.extend(_mixed_concepts(whole.pictures))
    return whole


def _other_content(faults: Sequence[Fault], left_out: int) -> str:
    """What a source contains instead of pictures."""
    kinds = Counter(suffix_of(fault.name) or fault.name for fault in faults)
    parts = [f"{number} {kind}" for kind, number in kinds.most_common()]
    parts += [f"{left_out} pictures below folders of 0 repeats"] if left_out else []
    return f", but {', '.join(parts)}" if parts else ""


def paths(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else value or []


def _place(
    key: str, source: str, is_class: bool, config: CollectConfig, work: Path, whole: Findings
) -> SourceFolder | None:
    """The source as a folder; None if `whole` says why not."""
    path, target = Path(source), work / _fresh(work)
    if path.is_dir():
        return SourceFolder(path, path.as_posix(), (path.resolve().name,), is_class)
    if not path.exists():
        whole.problems.append(
            f"collect.{key} {source}: no such file or folder; put pictures there"
            f" or set collect.{key} in params.yaml"
        )
    elif archives.suffix_of(path.name):
        return _unpacked(path, target, is_class, whole)
    elif path.suffix.lower() == ".txt":
        return _downloaded(path, target, is_class, config, whole)
    elif path.suffix.lower() == ".parquet":
        return _table(path, source, (path.stem,), target, is_class, config, whole)
    else:
        whole.problems.append(f"collect.{key} {source}: not a readable source; give {SOURCE_KINDS}")
    return None


def _unpacked(path: Path, target: Path, is_class: bool, whole: Findings) -> SourceFolder | None:
    try:
        archives.unpack(path, target)
    except archives.ArchiveError as error:
        whole.problems.append(f"{path}: {error}")
        return None
    name = path.name[: -len(archives.suffix_of(path.name) or "")]
    return SourceFolder(target, f"{path.as_posix()}!", (name,), is_class)


def _fresh(work: Path) -> str:
    """An unused name in the work folder."""
    return str(len(list(work.iterdir())) if work.exists() else 0)


def _downloaded(
    path: Path, target: Path, is_class: bool, config: CollectConfig, whole: Findings
) -> SourceFolder | None:
    try:
        urls = downloads.read_list(path)
    except UserError as error:
        whole.problems.extend(error.problems)
        return None
    origins = SortedRows()
    target.mkdir(parents=True)
    for fetched in downloads.fetch(urls, config):
        if fetched.error:
            whole.faults.append(Fault("download", fetched.url, fetched.error))
        for name, file in fetched.files.items():
            (target / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(file, target / name)
            origins.add(name, "", ({"url": fetched.url}, None))
    return SourceFolder(target, path.as_posix(), (path.stem,), is_class, origins)


def _table(
    path: Path,
    shown: str,
    parts: tuple[str, ...],
    target: Path,
    is_class: bool,
    config: CollectConfig,
    whole: Findings,
) -> SourceFolder | None:
    """Writes a parquet table's pictures to files named by table and row."""
    origins = SortedRows()
    target.mkdir(parents=True)
    try:
        for row in read_parquet(path, config.caption_columns, whole.captions.separators):
            bare = target / f"{path.stem}-{row.number:06}"
            bare.write_bytes(row.picture)
            name = f"{bare.name}{downloads.picture_suffix(bare) or '.png'}"
            bare.rename(target / name)
            origins.add(name, "", ({"source": path.name, "row": row.number}, row.caption))
    except ParquetError as error:
        whole.problems.append(f"{shown}: {error}")
        return None
    return SourceFolder(target, shown, parts, is_class, origins)


def _read(place: SourceFolder, config: CollectConfig, work: Path, whole: Findings) -> None:
    """Reads the place and the tables in it."""
    for table in read_folder(place, config.repeats, config.caption_columns, whole):
        parts, shown = (*place.parts, *table.parent.parts), f"{place.shown}/{table}"
        target = work / _fresh(work)
        inner = _table(place.root / table, shown, parts, target, place.is_class, config, whole)
        if inner is not None:
            read_folder(inner, config.repeats, config.caption_columns, whole)


def _mixed_concepts(pictures: PictureScan) -> Iterator[str]:
    names = [concept for concept, _ in sorted(pictures.concepts)]
    for concept, other in pairwise(names):
        if concept == other:
            yield (
                f"concept {concept} is in both collect.source and collect.class_source;"
                " rename its folder in one of them"
            )
