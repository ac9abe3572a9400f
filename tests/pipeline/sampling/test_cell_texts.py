"""What a picture of the grid says of itself; the infotext's own format is tested beside it."""

import hashlib
import json
from pathlib import Path

import pytest
import torch

from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.config.schemas import Base
from pipeline.files.safetensors_file import write_safetensors
from pipeline.sampling.axes import Cell
from pipeline.sampling.block_weights import block_weights
from pipeline.sampling.cell_texts import called_by, texts_of
from pipeline.sampling.infotext import parameters_of, parse_infotext
from pipeline.sampling.settings import Job, Settings

pytestmark = pytest.mark.usefixtures("root")
SETTINGS = Settings(
    steps=2,
    guidance=5.0,
    sampler="euler_a",
    negative_prompt="bad",
    width=64,
    height=128,
    clip_skip=2,
    batch=2,
)
HASH = "0123456789abcdef" * 4


def base() -> Base:
    return check(compose(Params({}, {}))).base


def cell(network: Path | None, blocks: str | None = None) -> Cell:
    chosen = block_weights(blocks) if blocks else None
    return Cell(
        checkpoint=None, network=network, weight=0.8, blocks=chosen, prompts=("a cat",), seeds=(7,),
        settings=SETTINGS,
    )  # fmt: skip


def write(path: Path, key: str, metadata: dict[str, str]) -> Path:
    write_safetensors(path, {key: torch.arange(4.0)}, metadata)
    return path


def test_a_lora_is_called_in_the_prompt_with_its_hash(tmp_path: Path) -> None:
    network = write(tmp_path / "zib.safetensors", "lora_unet_x.lora_up.weight", {"sshs_model_hash": HASH})
    texts = texts_of(cell(network, "INS"), Job("a cat", 7), base(), "f" * 64)
    values = parameters_of(texts["parameters"])
    assert values["Prompt"] == "a cat <lora:zib:0.8:lbw=INS>"
    assert values["Lora hashes"] == "zib: 0123456789ab"
    job, settings = parse_infotext(texts["parameters"])
    assert job.seed == 7
    assert (settings.sampler, settings.width, settings.height, settings.clip_skip) == ("euler_a", 64, 128, 2)
    recipe = json.loads(texts["athanor"])
    assert recipe["network"] == {"name": "zib.safetensors", "sha256": "f" * 64, "weight": 0.8}
    assert (recipe["prompt"], recipe["block_weights"]["IN05"]) == ("a cat", 0.0)


def test_the_hash_is_of_the_tensors_where_the_header_has_none(tmp_path: Path) -> None:
    network = write(tmp_path / "zib.safetensors", "lora_te_x.lora_up.weight", {})
    digest = hashlib.sha256(torch.arange(4.0).numpy().tobytes()).hexdigest()
    assert called_by(network).short_hash == digest[:12]


def test_the_base_alone_and_other_families_are_not_called(tmp_path: Path) -> None:
    embedding = write(tmp_path / "word.safetensors", "emb_params", {})
    for network in (None, embedding):
        texts = texts_of(cell(network), Job("a cat", 7), base(), None)
        assert parameters_of(texts["parameters"])["Prompt"] == "a cat"
        assert "Lora hashes" not in texts["parameters"]
