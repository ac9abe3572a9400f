"""diffusers reads our single files, and we read its folders: every number of every part, offline."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline
from torch import Tensor, nn

from pipeline.bases.base import Base
from pipeline.bases.clip_names import transformers_name
from pipeline.bases.load import load_base
from pipeline.bases.save import save_file, save_folder
from pipeline.bases.tokens import token_ids
from pipeline.files.safetensors_file import write_safetensors
from pipeline.files.tensor_file import open_tensors
from pipeline.schemas import BaseConfig
from tests.pipeline.bases.test_text import small_base

NAMES = ("sd1", "sd2", "sdxl")
PROJECTION = "conditioner.embedders.1.model.text_projection"


@pytest.fixture(scope="module", params=NAMES)
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Base, Path]:
    """A base, as a folder and as a single file."""
    base, folder = small_base(request.param), tmp_path_factory.mktemp(request.param)
    save_folder(base, folder / "base", "fp32", {})
    save_file(base, folder / "base.safetensors", "fp32", {})
    return base, folder


def pipeline_of(base: Base) -> Any:
    return StableDiffusionXLPipeline if base.family.facts.name == "sdxl" else StableDiffusionPipeline


def tensors_of(base: Base, part: str, module: nn.Module) -> dict[str, Tensor]:
    """By names that do not depend on transformers' version."""
    is_text = base.family.part(part).library == "transformers"
    named = {transformers_name(key) if is_text else key: each for key, each in module.state_dict().items()}
    return {key: tensor for key, tensor in named.items() if not key.endswith("position_ids")}


def insist_on_same(base: Base, part: str, other: nn.Module) -> None:
    ours, theirs = tensors_of(base, part, base.part(part)), tensors_of(base, part, other)
    assert ours.keys() == theirs.keys()
    assert [key for key in ours if not torch.equal(ours[key], theirs[key])] == []


def test_diffusers_loads_our_single_file(saved: tuple[Base, Path]) -> None:
    base, folder = saved
    pipeline = pipeline_of(base).from_single_file(
        str(folder / "base.safetensors"), config=str(folder / "base"), local_files_only=True
    )
    for part in base.family.parts:
        insist_on_same(base, part.name, getattr(pipeline, part.name))


def test_we_load_what_diffusers_saves(saved: tuple[Base, Path], tmp_path: Path) -> None:
    base, _ = saved
    parts = {part.name: base.part(part.name) for part in base.family.parts}
    parts |= dict.fromkeys(base.family.tokenizer_folders, base.tokenizer)
    parts["scheduler"] = DDIMScheduler.from_config(base.configs["scheduler"])
    if base.family.facts.name != "sdxl":
        parts |= {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    pipeline_of(base)(**parts).save_pretrained(tmp_path / "folder")
    loaded = load_base(BaseConfig.plain(str(tmp_path / "folder")))
    assert loaded.family is base.family
    for part in base.family.parts:
        insist_on_same(base, part.name, loaded.part(part.name))
    texts = ["a cat!", ""]
    ids = [token_ids(each.tokenizer, texts) for each in (base, loaded)]
    assert torch.equal(*ids)


def test_the_projection_multiplies_from_the_left_in_files_and_is_turned_in_folders(tmp_path: Path) -> None:
    """OpenCLIP: x @ P. Only a matrix that is not symmetric shows it."""
    base = small_base("sdxl")
    save_file(base, tmp_path / "a.safetensors", "fp32", {})
    tensors = {name: each.read().reshape(each.shape) for name, each in
               open_tensors(tmp_path / "a.safetensors").tensors.items()}  # fmt: skip
    matrix = torch.arange(24.0 * 24).reshape(24, 24) / 576
    assert not torch.equal(matrix, matrix.T)
    header = dict(open_tensors(tmp_path / "a.safetensors").metadata)
    write_safetensors(tmp_path / "b.safetensors", {**tensors, PROJECTION: matrix}, header)
    loaded = load_base(BaseConfig.plain(str(tmp_path / "b.safetensors")))
    states = torch.randn(2, 24, generator=torch.Generator().manual_seed(0))
    projected = loaded.text_encoders[1].text_projection(states)
    assert torch.allclose(projected, states @ matrix, atol=1e-5)

    save_folder(loaded, tmp_path / "c", "fp32", {})
    weights = open_tensors(tmp_path / "c/text_encoder_2/model.safetensors").tensors["text_projection.weight"]
    assert torch.equal(weights.read().reshape(24, 24), matrix.T)
    save_file(load_base(BaseConfig.plain(str(tmp_path / "c"))), tmp_path / "d.safetensors", "fp32", {})
    back = open_tensors(tmp_path / "d.safetensors").tensors[PROJECTION]
    assert torch.equal(back.read().reshape(24, 24), matrix)


def test_an_sdxl_file_without_a_vae_takes_another(tmp_path: Path) -> None:
    base = small_base("sdxl")
    save_file(base, tmp_path / "a.safetensors", "fp32", {})
    save_folder(base, tmp_path / "b", "fp32", {})
    file = open_tensors(tmp_path / "a.safetensors")
    rest = {name: each.read().reshape(each.shape) for name, each in file.tensors.items()
            if not name.startswith("first_stage_model.")}  # fmt: skip
    write_safetensors(tmp_path / "c.safetensors", rest, dict(file.metadata))
    loaded = load_base(BaseConfig.plain(str(tmp_path / "c.safetensors"), vae=str(tmp_path / "b/vae")))
    for part in base.family.parts:
        insist_on_same(base, part.name, loaded.part(part.name))
    save_file(loaded, tmp_path / "d.safetensors", "fp32", {})
    whole = open_tensors(tmp_path / "d.safetensors").tensors
    assert whole.keys() == file.tensors.keys()
