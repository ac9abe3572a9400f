"""What folders are called, and what follows for the pictures in them.

The nearest folder named `<repeats>_<concept>` above a picture gives its concept; where there is none, the
first folder below the source does, or the source itself. Folders below that are part of the picture's name.
Pictures below a folder of 0 repeats are left out.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

REPEATS_CONCEPT = re.compile(r"(?P<repeats>0*\d{1,6})_(?P<concept>.+)")
LIKE_REPEATS = re.compile(
    r"\d+x?[ .-]+(?P<after>[^\W\d].*)|\d+x_(?P<behind>.+)|(?P<before>.*[^\W\d])[ _.-]+x?\d{1,3}x?|\d+_?",
    re.IGNORECASE,
)
"""What a person may have meant for repeats: `7 myname`, `7x_myname`, `myname_7`, `7`."""


def concept_of(parts: Sequence[str], default_repeats: int) -> tuple[str, int, tuple[str, ...]]:
    """Concept, repeats, and the folders below the one that names the concept."""
    for index in range(len(parts) - 1, -1, -1):
        if match := REPEATS_CONCEPT.fullmatch(parts[index]):
            return match["concept"], int(match["repeats"]), tuple(parts[index + 1 :])
    index = min(1, len(parts) - 1)
    return parts[index], default_repeats, tuple(parts[index + 1 :])


def is_left_out(parts: Sequence[str]) -> bool:
    """Whether one of the folders says 0 repeats."""
    return any((match := REPEATS_CONCEPT.fullmatch(part)) and not int(match["repeats"]) for part in parts)


@dataclass
class FolderNames:
    """Names of folders that a person should look at, gathered folder by folder."""

    left_out: Counter[str] = field(default_factory=Counter)
    """Pictures that are left out, by folder."""
    doubtful: dict[str, str] = field(default_factory=dict)
    """Concepts that look like repeats, and a name that says them."""

    def leave_out(self, source: str, parts: Sequence[str], path: str, pictures: int) -> bool:
        """Whether the folder's pictures are left out; notes what its names say. `path`: below the source."""
        where = f"{source}/{path}" if path else source
        if is_left_out(parts):
            self.left_out[where] += pictures
            return True
        concept = concept_of(parts, 0)
        match = LIKE_REPEATS.fullmatch(concept[0])
        if pictures and match and not concept[1]:
            name = match["after"] or match["behind"] or match["before"] or "name"
            number = max(re.findall(r"\d+", concept[0]), key=len)
            self.doubtful.setdefault(concept[0], f"{int(number) or 1}_{name}")
        return False

    def warnings(self, repeats: int) -> list[str]:
        """Sentences; `repeats` are those of a folder whose name says nothing."""
        left_out = [
            f"{where}: {number} pictures are left out, since a folder's name says 0 repeats; call it"
            " 1_<concept> to take them in"
            for where, number in sorted(self.left_out.items())
            if number
        ]
        return left_out + [
            f"the folder {concept!r} looks as if it named repeats, but is read as the concept {concept!r},"
            f" shown collect.repeats {repeats} times; if repeats are meant, call it {name!r}"
            for concept, name in sorted(self.doubtful.items())
        ]
