"""Pictures and captions from where they lie -> data/collected/: files as they came, a record each, a verdict
on all.

In: the folders of collect.source. Out: data/collected/{pictures/,records.jsonl}, metrics/collect.json. Reads
the group `collect`. Deterministic: sorted by id, bytes copied. A picture that is unfit stops the stage, with
the full list.
"""

import os
import shutil
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pipeline.command import run, start
from pipeline.config.schemas import Collect
from pipeline.errors import UserError
from pipeline.files.atomic import new_folder, write_json
from pipeline.files.hashing import sha256_of_file
from pipeline.pictures.hygiene import duplicate_faults, picture_faults
from pipeline.pictures.reading import PictureError, read_picture
from pipeline.pictures.records import PICTURES, Record, write_records
from pipeline.pictures.sources import Found, find
from pipeline.progress import progress


def inspect(found: Found, config: Collect) -> Record | list[str]:
    """The picture's record, or what is wrong with it."""
    try:
        picture = read_picture(found.path)
    except PictureError as error:
        return [f"{found.path}: {error}; replace or delete it"]
    if faults := picture_faults(*picture.size, config):
        return [f"{found.path}: {fault}" for fault in faults]
    return Record(
        id=found.id,
        file=f"{found.concept}/{found.path.name}",
        sha256=sha256_of_file(found.path),
        width_px=picture.width,
        height_px=picture.height,
        concept=found.concept,
        repeats=found.repeats,
        is_class=False,
        caption=_caption(found.caption),
        verdict="ok",
        notes=[],
        group=found.id,
        origin={"path": found.path.as_posix()},
    )


def _caption(path: Path | None) -> str | None:
    return None if path is None else " ".join(path.read_text(encoding="utf-8-sig").split())


def judged(pictures: list[Found], config: Collect, problems: Sequence[str]) -> list[Record]:
    """Records of all pictures; any fault is a user error that lists them all, `problems` of the sources
    first.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(
            progress(pool.map(lambda found: inspect(found, config), pictures), "collect", len(pictures))
        )
    records = [result for result in results if isinstance(result, Record)]
    faults = [fault for result in results if isinstance(result, list) for fault in result]
    faults += duplicate_faults({record.id: record.sha256 for record in records})
    if problems or faults:
        raise UserError(*problems, *faults)
    return records


def summary(records: list[Record]) -> dict[str, Any]:
    """Counts for metrics/collect.json."""
    return {
        "pictures": len(records),
        "captions": sum(record.caption is not None for record in records),
        "concepts": dict(Counter(record.concept for record in records)),
        "exposures": sum(record.repeats for record in records),
    }


def main(arguments: Sequence[str] = ()) -> None:
    job = start("collect", arguments)
    config = job.config.collect
    sources = [config.source] if isinstance(config.source, str) else config.source
    pictures, problems = find(sources, config.repeats)
    records = judged(pictures, config, problems)
    with new_folder(job.out / "data/collected") as folder:
        for found, record in zip(pictures, records, strict=True):
            target = folder / PICTURES / record.file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found.path, target)
        write_records(folder, records)
    write_json(job.out / "metrics/collect.json", summary(records))


if __name__ == "__main__":
    run(main)
