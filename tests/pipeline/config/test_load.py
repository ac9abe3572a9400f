import shutil
from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.config.compose import compose, read_params
from pipeline.config.lock import lock
from pipeline.errors import UserError
from pipeline.schemas import AdapterNetworkConfig

pytestmark = pytest.mark.usefixtures("root")


def test_a_stage_gets_only_the_groups_that_dvc_yaml_lists() -> None:
    config = load("crop")
    assert config.crop.resolution == 128
    with pytest.raises(AttributeError, match=r"dvc\.yaml does not list"):
        _ = config.train


def test_overrides_reach_the_stage() -> None:
    network = load("train", ["network.dim=4", "schedule=linear"]).network
    assert isinstance(network, AdapterNetworkConfig)
    assert network.dim == 4


def test_what_overrides_bring_with_them_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    load("train", ["network.dim=8", "network.alpha=4", "schedule=cosine", "schedule.warmup_percent=60"])
    said = capsys.readouterr().err
    assert "warning: schedule.warmup_percent 60 leaves less than half" in said
    assert said.count("warning") == 1


def test_missing_resolved_params_say_what_writes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy("dvc.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="dvc repro compose"):
        load("crop")


@pytest.mark.parametrize("path", ["models/none.safetensors", "demo/none", "/none/base", "one/two/three"])
def test_a_base_that_is_not_there_is_told_before_anything_runs(path: str) -> None:
    values = compose(read_params())
    values["base"]["path"] = path
    with pytest.raises(UserError, match=f"base.path {path}: no such file or folder"):
        lock(values)


def test_a_hub_name_is_left_to_the_hub() -> None:
    values = compose(read_params())
    values["base"]["path"] = "stable-diffusion-v1-5/stable-diffusion-v1-5"
    assert lock(values)["base"]["sha256"] is None


def test_a_face_detector_is_locked_unless_it_is_built_in(tmp_path: Path) -> None:
    values = compose(read_params())
    assert lock(values)["crop"]["face_model_sha256"] is None
    (tmp_path / "face.xml").write_text("x")
    values["crop"]["face_model"] = str(tmp_path / "face.xml")
    assert len(lock(values)["crop"]["face_model_sha256"]) == 64


def test_a_locked_model_must_have_the_wanted_hash() -> None:
    values = compose(read_params())
    values["base"]["sha256"] = "0" * 64
    with pytest.raises(UserError, match=r"base.path demo/base has the hash .* but base.sha256 is 0000"):
        lock(values)


def test_several_taggers_are_locked_each_in_its_place() -> None:
    values = compose(read_params())
    values["tag"]["model"] = ["demo/tagger", "someone/tagger/small@v2", "demo/base"]
    hashes = lock(values)["tag"]["sha256"]
    assert [hashed and len(hashed) for hashed in hashes] == [64, None, 64]
    values["tag"]["sha256"] = [hashes[0], "1" * 64, "0" * 64]
    with pytest.raises(UserError, match=r"^tag.model demo/base has the hash .* is 0000"):
        lock(values)


def test_no_tagger_needs_no_hash() -> None:
    values = compose(read_params())
    values["tag"]["model"] = None
    assert lock(values)["tag"]["sha256"] is None


@pytest.mark.parametrize("path", ["models/deepdanbooru/a.pt", "someone/tagger.onnx", "demo/none", "tagger"])
def test_a_tagger_that_is_not_there_is_told_before_anything_runs(path: str) -> None:
    values = compose(read_params())
    values["tag"]["model"], values["tag"]["sentence_model"] = ["demo/tagger", path], path
    with pytest.raises(UserError) as error:
        lock(values)
    assert [problem.split(":")[0] for problem in error.value.problems] == [
        f"tag.model {path}",
        f"tag.sentence_model {path}",
    ]
