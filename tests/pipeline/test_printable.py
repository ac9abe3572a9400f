"""Names that forge, hide or cannot be written; passwords in URLs."""

import subprocess
import sys
import time
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
    "http://joe:it's-s3cret@127.0.0.1:8765/none.png": "http://***@127.0.0.1:8765/none.png",
    'http://joe:it"s3cret@h/a http://joe:<s3cret>@h/a': "http://***@h/a http://***@h/a",
    "http://joe:pa/s3cret@h/a http://joe:pa#s3cret@h/a": "http://***@h/a http://***@h/a",
    "//ann:s3cret@h/a https:/ann:s3cret@h/a": "//***@h/a https:/***@h/a",
    "http://[::1]:80/a@b http://x:80/a@b a//b@c": "http://[::1]:80/a@b http://x:80/a@b a//b@c",
    "http://x/?next=http%3A%2F%2Fh%2F%3Ftoken%3Ds3cret&w=2%25": "http://x/?next=***&w=2%25",
    "at 'http://x/?token=s3cret', and": "at 'http://x/?token=***', and",
    "http://x/?token=it's-s3cret;s3cret?s3cret&w=2": "http://x/?token=***&w=2",
    "http://x/a.png?w=2;h=3#top": "http://x/a.png?w=2;h=3#top",
    **{
        f"https://x/a?w=1{mark}{name}=s3cret": f"https://x/a?w=1{mark}{name}=***"
        for mark in "&#;?"
        for name in ("key", "private_token", "X-Plex-Token", "access_key", "%74oken", "Passwort", "sig")
    },
}


@pytest.mark.parametrize("text", HIDDEN)
def test_passwords_in_urls_are_not_shown(text: str) -> None:
    assert without_passwords(text) == printable(text) == HIDDEN[text]


@pytest.mark.parametrize(
    "piece", ["http:", "http://a:b", "//a:b", "?a=", ";a", "?token=;", "%253Ftoken%253D", "//"]
)
def test_hiding_takes_time_by_the_length_alone(piece: str) -> None:
    """A quadratic search of a million signs would take minutes."""
    started = time.process_time()
    without_passwords(f"?a={piece * 100_000}")
    assert time.process_time() - started < 10


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
