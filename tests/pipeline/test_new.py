"""A params.yaml for one's own pictures: a preset's values, none of the demo's. Presets that are beaten."""

import shutil
from pathlib import Path

import pytest
import yaml

from pipeline import new
from pipeline.config.compose import compose, flatten, read_params
from pipeline.config.own_params import WITH_CLASS
from pipeline.config.presets import beaten
from pipeline.errors import UserError
from stages import compose as compose_stage
from tests.conftest import ROOT


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The demo, as it is cloned."""
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "demo").symlink_to(ROOT / "demo")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    return tmp_path


def test_own_pictures_get_the_presets_values_and_none_of_the_demo(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "pictures/7_myname").mkdir(parents=True)
    demo = (project / "params.yaml").read_text()
    new.main(["myname"])
    assert (project / "params.demo.yaml").read_text() == demo
    said = capsys.readouterr().out
    assert "`cp params.demo.yaml params.yaml` restores it" in said
    assert "dvc repro" in said
    values = flatten(compose(read_params()))
    preset = flatten(yaml.safe_load((project / "conf/experiment/character.yaml").read_text()))
    assert {key: values[key] for key in preset if key != "defaults"} == {
        key: value for key, value in preset.items() if key != "defaults"
    }
    assert (values["crop.resolution"], values["sample_grid.resolution"]) == (512, 512)
    assert values["collect.source"] == "pictures/7_myname"
    assert values["filter_tags.trigger"] == values["train.name"] == "myname"
    assert values["base.path"] == "stable-diffusion-v1-5/stable-diffusion-v1-5"
    assert values["tag.model"] != "demo/tagger"
    assert not beaten(read_params())
    text = (project / "params.yaml").read_text()
    assert not any(word in text for word in ("zibbo", "demo/", "128", "3.0e-3"))


@pytest.mark.parametrize("kind", new.kinds())
def test_every_kind_gives_settings_that_hold_together(project: Path, kind: str) -> None:
    (project / "models").mkdir()
    (project / "models/base.safetensors").touch()
    noun = ["--class", "man"] if kind in WITH_CLASS else []
    new.main(["bob", "--kind", kind, "--base", "models/base.safetensors", *noun, "--tagger", "none"])
    values = flatten(compose(read_params()))
    assert values["base.path"] == "models/base.safetensors"
    assert values["tag.model"] is None
    if kind in ("person", "dreambooth"):
        assert values["class_images.prompt"] == "man"
    if kind == "embedding":
        assert values["network.words"] == ["bob"]


def test_new_on_the_demos_base_composes(project: Path) -> None:
    new.main(["zib", "--base", "tiny", "--tagger", "demo/tagger", "--pictures", "demo/pictures"])
    compose_stage.main([])
    resolved = yaml.safe_load((project / "params.resolved.yaml").read_text())
    assert resolved["crop"]["resolution"] == 128
    assert resolved["optimizer"]["lr"] == 1e-4


def test_no_params_file_is_ever_lost(project: Path) -> None:
    for trigger in ("one", "two", "three"):
        new.main(["bob", "--trigger", trigger])
    kept = sorted(path.name for path in project.glob("params.*.yaml"))
    assert kept == ["params.bob-2.yaml", "params.bob.yaml", "params.demo.yaml"]
    (project / "params.yaml").write_text("train: {name: ../../x}\n")
    new.main(["bob"])
    assert (project / "params.before.yaml").read_text() == "train: {name: ../../x}\n"
    (project / "params.yaml").write_text("[")
    new.main(["bob"])
    assert (project / "params.before-2.yaml").read_text() == "["


def test_wrong_answers_are_told_together_and_nothing_is_written(project: Path) -> None:
    before = (project / "params.yaml").read_text()
    with pytest.raises(UserError) as failure:
        new.main(["a b", "--kind", "charcter", "--trigger", " "])
    assert [problem.split(";")[0] for problem in failure.value.problems] == [
        "'a b' cannot name files",
        "--kind charcter is not a preset",
        "--trigger is blank",
    ]
    assert (project / "params.yaml").read_text() == before
    assert not list(project.glob("params.*.yaml"))


@pytest.mark.usefixtures("project")
def test_a_person_at_a_terminal_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["", "style", "mystyle", "", "none"])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: next(answers))
    new.main(["paint"])
    values = flatten(compose(read_params()))
    assert (values["filter_tags.trigger"], values["collect.aim"]) == ("mystyle", "style")
    assert values["collect.source"] == "pictures/paint"


def test_compose_says_which_lines_beat_the_preset(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    params = yaml.safe_load((project / "params.yaml").read_text())
    params["use"] |= {"experiment": "character", "noise": "plain"}
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    compose_stage.main([])
    said = capsys.readouterr().err
    assert "params.yaml overrides the preset character" in said
    for line in ("optimizer.lr 0.003 (preset: 0.0001)", "use.noise plain (preset: min_snr)"):
        assert line in said
    assert "collect.aim" not in said
