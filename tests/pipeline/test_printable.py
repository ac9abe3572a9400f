"""Names that forge, hide or cannot be written; passwords in URLs."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import UserError, warn
from pipeline.printable import printable, printable_lines, without_passwords
from tests.conftest import ROOT

ESCAPED = {
    "a\x1b[2Jb": r"a\x1b[2Jb",
    "a\nerror: b": r"a\nerror: b",
    "a\rb": r"a\rb",
    "a\x00b\x7f\x85": r"a\x00b\x7f\x85",
    "a\u202egnp.exe": r"a\u202egnp.exe",
    "a\u2028b": r"a\u2028b",
    "a\udcffb": r"a\udcffb",
    "猫\u3000é 👩\u200d🚀": "猫\u3000é 👩\u200d🚀",
}


@pytest.mark.parametrize("name", ESCAPED)
def test_control_characters_are_shown_escaped_and_letters_are_not(name: str) -> None:
    assert printable(name) == ESCAPED[name]


def test_lines_stay_where_they_are_meant() -> None:
    assert printable_lines("a\n\x1bb\n") == "a\n\\x1bb\n"


HIDDEN = {
    "https://ann:s3cret@x.org/a.png": "https://***@x.org/a.png",
    "https://s3cret@x.org/a.png": "https://***@x.org/a.png",
    "at https://ann:s3@cret@x.org:8080/ and http://b:s3cret@y/": "at https://***@x.org:8080/ and http://***@y/",
    "https://x.org/a?id=1&api_key=s3cret&w=2": "https://x.org/a?id=1&api_key=***&w=2",
    "https://x.org/a?TOKEN=s3cret#b": "https://x.org/a?TOKEN=***#b",
    "https://x.org/a@b.png?to=c@d": "https://x.org/a@b.png?to=c@d",
    "write to ann@x.org": "write to ann@x.org",
}


@pytest.mark.parametrize("text", HIDDEN)
def test_passwords_in_urls_are_not_shown(text: str) -> None:
    assert without_passwords(text) == printable(text) == HIDDEN[text]


def test_a_warning_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    warn("a\nwarning: forged \x1b[31m https://ann:s3cret@x.org/")
    assert capsys.readouterr().err == "warning: a\\nwarning: forged \\x1b[31m https://***@x.org/\n"


PROGRAM = """
import sys
from pipeline.command import run
from pipeline.errors import UserError

def main(_):
    raise UserError("photos/a\\x1b]0;owned\\x07\\nerror: b\\udcff: broken", "https://ann:s3cret@x.org/")

run(main)
"""


def test_an_error_of_any_command_is_escaped(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        r"error: photos/a\x1b]0;owned\x07\nerror: b\udcff: broken",
        "error: https://***@x.org/",
    ]


def test_an_error_keeps_its_words_for_programs() -> None:
    assert UserError("a\nb").problems == ("a\nb",)
