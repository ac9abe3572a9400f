"""Pictures that a training draws on its way, by prompt and epoch; nothing else in their folder is shown."""

import re
from pathlib import Path

NAME = re.compile(r"([0-9]{2,6})-([0-9]{6,9})\.png")
MOST_SAMPLES = 5000


def samples_in(folder: Path) -> dict[tuple[int, int], Path]:
    """By the numbers of prompt and epoch; links that lead out of the folder are left out."""
    found, root = dict[tuple[int, int], Path](), folder.resolve()
    for path in sorted(folder.iterdir())[:MOST_SAMPLES] if folder.is_dir() else []:
        if (name := NAME.fullmatch(path.name)) and path.is_file() and path.resolve().parent == root:
            found[int(name[1]), int(name[2])] = path
    return found
