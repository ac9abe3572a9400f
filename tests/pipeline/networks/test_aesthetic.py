import math
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from pipeline.errors import UserError
from pipeline.files.aesthetic_file import read_aesthetic, write_aesthetic
from pipeline.files.safetensors_file import write_safetensors
from pipeline.networks.aesthetic import AestheticEmbedding
from pipeline.networks.families import family_of_file, load
from pipeline.networks.inspection import inspect
from pipeline.schemas import AestheticConfig
from tests.pipeline.bases.random_sd1 import random_base
from tests.pipeline.networks.base_clip import write_base_clip

PICTURES = [Image.new("RGB", (40, 32), colour) for colour in ("red", "navy")]


def config_of(clip: Path) -> AestheticConfig:
    return AestheticConfig(name="aesthetic", clip=str(clip), clip_sha256=None, steps=3, lr=1e-3, slerp=True)


def made(folder: Path) -> AestheticEmbedding:
    base = random_base()
    clip = write_base_clip(folder / "clip", base.text_encoders[0].config.hidden_size)
    return AestheticEmbedding.of_pictures(config_of(clip), PICTURES, base)


def written(network: AestheticEmbedding, stem: Path) -> Path:
    path = stem.with_suffix(".safetensors")
    write_safetensors(path, network.file_tensors("fp16"), network.metadata())
    network.write_other_layouts(stem, 0)
    return path


def test_the_file_comes_back_with_all_that_drawing_needs(tmp_path: Path) -> None:
    network = made(tmp_path)
    path = written(network, tmp_path / "mood")
    assert family_of_file(path) == "aesthetic"
    found = load(path, random_base())
    assert isinstance(found, AestheticEmbedding)
    assert torch.equal(found.embedding, network.embedding)
    assert torch.equal(found.projection, network.projection)
    assert (found.steps, found.lr, found.slerp) == (3, 1e-3, True)


def test_the_pt_beside_it_is_the_embedding_alone(tmp_path: Path) -> None:
    network = made(tmp_path)
    written(network, tmp_path / "mood")
    bare = torch.load(tmp_path / "mood.pt", weights_only=True)
    assert isinstance(bare, Tensor)
    assert torch.equal(bare, network.embedding)
    assert torch.equal(read_aesthetic(tmp_path / "mood.pt"), network.embedding)


def test_inspect_tells_it(tmp_path: Path) -> None:
    network = made(tmp_path)
    facts = inspect(written(network, tmp_path / "mood")).facts
    norm = math.sqrt(sum(float(number) ** 2 for number in network.embedding[0]))
    assert facts == {"family": "aesthetic embedding", "width": f"8, norm {norm:.4g}"}
    assert inspect(tmp_path / "mood.pt").facts == facts


def test_a_clip_of_another_width_is_a_sentence(tmp_path: Path) -> None:
    clip = write_base_clip(tmp_path / "clip", 24)
    with pytest.raises(UserError, match=r"network\.clip .*24 wide, the base's"):
        AestheticEmbedding.of_pictures(config_of(clip), PICTURES, random_base())


def test_a_bare_embedding_cannot_be_drawn_with(tmp_path: Path) -> None:
    write_aesthetic(tmp_path / "bare.safetensors", torch.ones(1, 8))
    with pytest.raises(UserError, match="without CLIP's projection"):
        load(tmp_path / "bare.safetensors", random_base())
