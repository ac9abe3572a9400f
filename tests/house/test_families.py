"""The whole graph on every family of base there is, on random narrow bases; and on one of a test's own, which
lies in a temporary folder and is registered without a change of any file.
"""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

import pipeline.bases
from pipeline.bases.base import Base
from pipeline.bases.load import load_base
from pipeline.bases.registry import families, family
from pipeline.bases.save import file_header, file_tensors, save_file, save_folder
from pipeline.bases.tokenizers import make_tokenizer
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.drawing.conditioning import conditioning
from pipeline.files.safetensors_file import write_safetensors
from pipeline.networks.__main__ import main as networks
from pipeline.networks.embedding import Embedding
from pipeline.schemas import BaseConfig, EmbeddingConfig
from stages import compose as compose_stage
from tests.conftest import ROOT
from tests.pipeline.bases.tiny import SMALL, random_parts, small_configs
from tests.pipeline.bases.tiny import small_base as tiny_base
from tests.stages.project import make_project, run_all

TOY = Path(__file__).parent / "toy_family"


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[None]:
    """A family of a stranger's, found by its folder alone."""
    shutil.copytree(TOY, tmp_path / "plugins" / "toy")
    pipeline.bases.__path__.append(str(tmp_path / "plugins"))
    families.cache_clear()
    yield
    pipeline.bases.__path__.pop()
    families.cache_clear()
    for name in [name for name in sys.modules if name.startswith("pipeline.bases.toy")]:
        del sys.modules[name]


def small_base(name: str) -> Base:
    made = family(name)
    configs = small_configs(name) if name in SMALL else dict(made.configs)
    return Base(made, make_tokenizer(None), random_parts(made, configs), configs)


def test_every_family_has_a_case_here() -> None:
    assert families().keys() == SMALL.keys()


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("name", [*SMALL, "toy"])
def test_the_whole_graph_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    base = small_base(name)
    grid = {"sampler": "euler"} if families()[name].objective == "flow" else {}
    monkeypatch.chdir(make_project(tmp_path / "project", train={"epochs": 1}, sample_grid=grid))
    save_folder(base, Path("base"), "fp32", {})
    run_all()
    _is_trained(name)
    _is_drawn()
    _is_merged(base)
    capsys.readouterr()
    networks(["inspect", "models/network/net.safetensors"])
    assert families()[name].title in capsys.readouterr().out


def test_the_whole_graph_runs_with_text_encoders_in_files_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SD 3.5's published form, with T5, buckets of 16 px, dropped encoders and kept outputs. The merged file
    has all parts, and other text encoders are another run.
    """
    use = {"crop": "buckets", "network": "locon"}
    values: dict[str, dict[str, Any]] = {
        "crop": {"bucket_step_px": 16, "bucket_min_px": 32, "bucket_max_px": 128},
        "network": {"text_encoder": False},
        "train": {"epochs": 1, "shuffle_tags": False, "text_encoder_3_dropout": 0.5},
        "base": {"path": "sd35.safetensors", "t5_tokens": 77},
        "sample_grid": {"sampler": "heun"},
    }
    base = tiny_base("sd3", with_t5=True)
    monkeypatch.chdir(make_project(tmp_path / "project", use=use, **values))
    encoders = ("text_encoders.clip_l.", "text_encoders.clip_g.", "text_encoders.t5xxl.")
    tensors = file_tensors(base, torch.float16)
    Path("text_encoders").mkdir()
    for start, name in zip(encoders, ("clip_l", "clip_g", "t5xxl_fp16"), strict=True):
        own = {
            key.removeprefix(f"{start}transformer."): each
            for key, each in tensors.items()
            if key.startswith(start)
        }
        write_safetensors(Path("text_encoders") / f"{name}.safetensors", own, {})
    kept = {key: each for key, each in tensors.items() if not key.startswith(encoders)}
    write_safetensors(Path("sd35.safetensors"), kept, file_header(base))
    run_all()
    _is_drawn()
    resolved = yaml.safe_load(Path("params.resolved.yaml").read_text())
    assert resolved["base"]["text_encoders_sha256"]
    merged = load_base(BaseConfig.plain("models/merged/net.safetensors"))
    assert merged.t5_tokenizer is not None
    expected = file_tensors(base, torch.float16).keys()
    assert file_tensors(merged, torch.float16).keys() == expected
    path = Path("text_encoders/clip_l.safetensors")
    write_safetensors(path, {key: each + 1 for key, each in load_file(path).items()}, {})
    compose_stage.main([])
    again = yaml.safe_load(Path("params.resolved.yaml").read_text())
    assert again["base"]["text_encoders_sha256"] != resolved["base"]["text_encoders_sha256"]


def _is_trained(name: str) -> None:
    """Two steps, and every part of the base that learns has learned."""
    told = json.loads(Path("metrics/train.json").read_text())
    assert told["steps"] == 3
    found = load_network()
    prefixes = {str(part.layer_prefix) for part in family(name).trained_parts}
    ups = {key: value for key, value in found.items() if key.endswith("lora_up.weight")}
    assert {next(each for each in prefixes if key.startswith(each)) for key in ups} == prefixes
    columns = Path("plots/train/loss.csv").read_text().splitlines()[0].split(",")
    assert ("text_encoder_2_lr" in columns) is (len(prefixes) == 3)
    for prefix in prefixes:
        assert any(bool(value.any()) for key, value in ups.items() if key.startswith(prefix))


def load_network() -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file("models/network/net.safetensors")
    return found


def _is_drawn() -> None:
    pictures = sorted(Path("reports/sample-grid").rglob("*.png"))
    assert pictures
    with Image.open(pictures[0]) as picture:
        assert np.asarray(picture).std() > 0


def _is_merged(base: Base) -> None:
    """The merged file is a base of the family, and differs from the one that was trained where it learned."""
    merged = load_base(BaseConfig.plain("models/merged/net.safetensors"))
    assert merged.family is base.family
    before, after = base.denoiser.state_dict(), merged.denoiser.state_dict()
    changed = [key for key in before if not torch.equal(before[key].half().float(), after[key].float())]
    assert changed
    assert all(key.endswith(".weight") for key in changed)


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("name", [*SMALL, "toy"])
def test_a_single_file_and_a_folder_hold_the_same_base(name: str, tmp_path: Path) -> None:
    base = small_base(name)
    save_folder(base, tmp_path / "folder", "fp32", {})
    save_file(base, tmp_path / "file.safetensors", "fp32", {})
    for path in (tmp_path / "folder", tmp_path / "file.safetensors"):
        found = load_base(BaseConfig.plain(str(path)))
        assert found.family is base.family
        for part, module in base.loaded().items():
            theirs = found.part(part).state_dict()
            assert all(
                torch.equal(theirs[key], value)
                for key, value in module.state_dict().items()
                if not key.endswith("position_ids")
            )


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("name", [*SMALL, "toy"])
def test_an_embedding_acts_on_every_text_encoder_and_is_read_again(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    base = small_base(name)
    words = {"network.words": ["zib"], "network.num_vectors": 2, "network.initial_text": "a cat"}
    config = check(compose(Params({"network": "embedding"}, words)))
    assert isinstance(config.network, EmbeddingConfig)
    made = Embedding.create(config.network, base, 0)
    widths = [encoder.get_input_embeddings().embedding_dim for encoder in base.text_encoders]
    assert made.vectors[0].shape == (2, sum(widths))
    write_safetensors(tmp_path / "zib.safetensors", made.file_tensors("fp32"), made.metadata())
    again = Embedding.load(tmp_path / "zib.safetensors", base)
    assert torch.equal(again.vectors[0], made.vectors[0])
    expected = conditioning(base, "a photo of a cat", 1)
    with again.attached(base):
        found = conditioning(base, "a photo of zib", 1)
    assert torch.allclose(found.tokens, expected.tokens, atol=1e-5)
    if found.pooled is not None:
        assert expected.pooled is not None
        assert torch.allclose(found.pooled, expected.pooled, atol=1e-5)


def test_an_embedding_of_sdxl_has_the_keys_of_other_tools(tmp_path: Path) -> None:
    vectors = {"zib": torch.arange(80.0).view(2, 40)}
    made = Embedding(vectors, (16, 24), "stable-diffusion-xl-v1-base")
    found = made.file_tensors("fp32")
    assert {key: tuple(value.shape) for key, value in found.items()} == {"clip_l": (2, 16), "clip_g": (2, 24)}
    assert torch.equal(found["clip_g"], vectors["zib"][:, 16:])
    assert made.metadata()["modelspec.architecture"] == "stable-diffusion-xl-v1-base/textual-inversion"
