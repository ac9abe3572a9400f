"""Concept and repeats from folder names.

The nearest folder named `<repeats>_<concept>` above a picture gives its concept; without one, the first
folder below the source does, or the source itself. Folders below that are part of the picture's name.
Pictures below a folder of 0 repeats are left out.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

REPEATS_CONCEPT = re.compile(r"(?P<repeats>0*[0-9]{1,6})_(?P<concept>.+)", re.DOTALL)
MOST_REPEATS = 1000
"""More are doubtful: `2023_06_01` is a date."""
NUMBER_FIRST = re.compile(
    r"[-+~x]*(?:\d+[.,])?\d+x?[_ .-]+(?P<after>[^\W\d].*)"  # 7 name, -7_name, 7.5_name, x7_name
    r"|\d+[x\u00d7][_ .-]*(?P<behind>.+)"  # 7x_name
    r"|[(\[{]x?\d+x?[)\]}][_ .-]*(?P<bracketed>.+)"  # (7) name
    r"|\d+(?P<glued>[^\W\d_]{3}.*)",  # 7name, but not 2b
    re.IGNORECASE | re.DOTALL,
)
NUMBER_LAST = re.compile(
    r"(?P<before>.*[^\W\d])(?:[_ .-]+x?\d{1,3}x?|[_ .-]*[(\[{]x?\d{1,3}x?[)\]}])|\d+_?",
    re.IGNORECASE | re.DOTALL,
)
"""Both match names in which a person may have meant repeats; digits of every script."""


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
    """Folder names that the user should check, collected folder by folder."""

    left_out: Counter[str] = field(default_factory=Counter)
    """Pictures that are left out, by folder."""
    doubtful: dict[str, Callable[[int], str]] = field(default_factory=dict)
    """A sentence (made from collect.repeats) for each folder name that may mean something else."""

    def leave_out(self, source: str, parts: Sequence[str], path: str, pictures: int) -> bool:
        """Whether the folder's pictures are left out; records doubtful names. `path`: below the source."""
        where = f"{source}/{path}" if path else source
        if is_left_out(parts):
            self.left_out[where] += pictures
            return True
        if pictures:
            self._doubt(parts)
        return False

    def _doubt(self, parts: Sequence[str]) -> None:
        """Records the folder that gives doubtful repeats, or folders that look as if they gave repeats."""
        concept, repeats, below = concept_of(parts, 0)
        place = len(parts) - len(below) - 1
        if repeats:
            if repeats > MOST_REPEATS or not any(letter.isalpha() for letter in concept):
                self._note(parts, place, partial(_read_as_repeats, parts[place], concept, repeats))
            return
        for number, name in enumerate(parts[place:], place):
            is_concept = number == place
            if match := NUMBER_FIRST.fullmatch(name) or (is_concept and NUMBER_LAST.fullmatch(name)):
                self._note(parts, number, partial(_not_read_as_repeats, name, _meant(match), is_concept))

    def _note(self, parts: Sequence[str], place: int, sentence: Callable[[int], str]) -> None:
        self.doubtful.setdefault("/".join(parts[: place + 1]), sentence)

    def warnings(self, repeats: int) -> list[str]:
        """Sentences; `repeats`: of a folder whose name gives none."""
        left_out = [
            f"{where}: {number} pictures are left out, since a folder has 0 repeats; name it"
            " 1_<concept> to include them"
            for where, number in sorted(self.left_out.items())
            if number
        ]
        return left_out + [sentence(repeats) for _, sentence in sorted(self.doubtful.items())]


def _read_as_repeats(name: str, concept: str, number: int, _: int) -> str:
    return (
        f"the folder {name!r} is read as {number} repeats of the concept {concept!r}; if you mean a date or"
        f" another number, name it '1_{name}'"
    )


def _not_read_as_repeats(name: str, meant: str, is_concept: bool, repeats: int) -> str:
    read = f"the concept {name!r}" if is_concept else "part of the pictures' names"
    return (
        f"the folder {name!r} seems to give repeats, but is read as {read}, with collect.repeats"
        f" {repeats}; if you mean repeats, name it {meant!r}"
    )


def _meant(match: re.Match[str]) -> str:
    """A name that gives the repeats."""
    word = next((text for text in match.groupdict().values() if text), "name")
    number = int(max(re.findall(r"\d+", match[0]), key=len))
    return f"{min(max(number, 1), MOST_REPEATS)}_{word}"
