"""Words that YAML takes for something else: the message shows what was typed, and says to quote it."""

from pathlib import Path

import pytest

from pipeline.config.check import resolve
from pipeline.config.compose import Params, read_params
from pipeline.errors import UserError
from pipeline.pictures.waivers import read_waivers
from tests.conftest import ROOT


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "conf").symlink_to(ROOT / "conf")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def problems(folder: Path, text: str) -> list[str]:
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as error:
        resolve(read_params())
    return list(error.value.problems)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "filter_tags: {trigger: no}",
            "filter_tags.trigger: YAML reads no as False; this must be text: put it in quotes: 'no'",
        ),
        (
            "train: {name: 007}",
            "train.name: YAML reads 007 as 7; this must be text: put it in quotes: '007'",
        ),
        (
            "filter_tags:\n  blacklist: [hat, yes]",
            "filter_tags.blacklist.1: YAML reads yes as True; this must be text: put it in quotes: 'yes'",
        ),
        (
            "filter_tags: {replace: {hat: on}}",
            "filter_tags.replace.hat: YAML reads on as True; this must be text: put it in quotes: 'on'",
        ),
        (
            "filter_tags: {keep: [0_0]}",  # a face
            "filter_tags.keep.0: YAML reads 0_0 as 0; this must be text: put it in quotes: '0_0'",
        ),
        (
            "collect: {aim: off}",
            "collect.aim: off (YAML reads it as False; in quotes it is text) is not allowed;",
        ),
        ("train: {epochs: 010}", "params.yaml: train.epochs: YAML reads 010 as 8; write 8 if you mean that"),
        ("seed: 12:30", "params.yaml: seed: YAML reads 12:30 as 750; write 750 if you mean that"),
    ],
)
def test_what_was_typed_is_shown(text: str, sentence: str, project: Path) -> None:
    assert [problem for problem in problems(project, text) if not problem.startswith(sentence)] == []


def test_quotes_help_and_plain_numbers_are_fine(project: Path) -> None:
    (project / "params.yaml").write_text(
        "train: {name: '007', epochs: 7}\nfilter_tags: {trigger: 'no', blacklist: ['12:30', '0_0']}\n"
        "seed: 00\ncrop: {enlarge: no}\noptimizer: {lr: 1.0e-4}\n"
    )
    values = resolve(read_params())
    assert (values["train"]["name"], values["filter_tags"]["trigger"]) == ("007", "no")


def test_keys_and_the_command_line_are_told_too(project: Path) -> None:
    assert "put it in quotes" in " ".join(problems(project, "filter_tags: {trigger: {no: zib}}"))
    (project / "params.yaml").write_text("seed: 0\n")
    with pytest.raises(UserError, match=r"filter_tags\.trigger: 5 is not allowed; this must be text"):
        resolve(Params({}, {"filter_tags.trigger": 5}))


def test_a_waivers_reason_is_told_too(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text("zib/a: {blur: no}\n")
    assert read_waivers(tmp_path / "w.yaml", ["blur"])[1] == [
        f"{tmp_path / 'w.yaml'}: zib/a: blur needs a reason in words, found False; put it in quotes"
    ]
