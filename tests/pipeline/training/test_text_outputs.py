"""Which texts a run keeps, and that text encoders are freed."""

import gc
import weakref
from pathlib import Path

import pytest
import torch
from torch import nn

from pipeline.bases.base import Base
from pipeline.bases.load import load_base
from pipeline.bases.save import save_file, save_folder
from pipeline.bases.tokenizers import make_tokenizer
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.files.safetensors_file import write_safetensors
from pipeline.networks.families import create
from pipeline.schemas import BaseConfig, TrainConfig
from pipeline.training.data import EncodedData, EpochBatches, Picture
from pipeline.training.epoch_order import EpochPicture
from pipeline.training.module import Denoising
from pipeline.training.text_outputs import texts_of
from tests.pipeline.bases.test_text import small_base
from tests.pipeline.training.settings import train

pytestmark = pytest.mark.usefixtures("root")
TAGS = ["zib, a, b, c, d, e, f", "zib, g, h, i, j, k, l"]


def data_of(folder: Path, config: TrainConfig) -> EncodedData:
    pictures = [
        Picture(f"x/{n}", "x", caption, "zib", EpochPicture(3, False, (64, 64)))
        for n, caption in enumerate(TAGS)
    ]
    write_safetensors(folder / "latents.safetensors", {p.id: torch.zeros(8, 8, 8) for p in pictures}, {})
    return EncodedData(folder, pictures, make_tokenizer(None), config, seed=1)


def test_each_picture_has_so_many_captions_and_the_dropped_one(tmp_path: Path) -> None:
    config = train(caption_variants=3, caption_dropout=0.3, batch=2)
    data = data_of(tmp_path, config)
    texts = texts_of(data, range(20))
    own = [[text for text in texts if sorted(text) == sorted(caption)] for caption in TAGS]
    assert [len(each) for each in own] == [3, 3]
    assert "" in texts
    assert len(texts) == 7
    assert all(text.startswith("zib, ") for text in [*own[0], *own[1]])


def test_without_variants_nearly_every_step_has_a_caption_of_its_own(tmp_path: Path) -> None:
    assert len(texts_of(data_of(tmp_path, train()), range(20))) > 100  # of 120 steps, 720 orders each


def test_a_resumed_run_shows_the_variants_that_a_whole_one_would(tmp_path: Path) -> None:
    data = data_of(tmp_path, train(caption_variants=4, batch=1))
    whole = [EpochBatches(data, 2).captions(number) for number in range(6)]
    assert [EpochBatches(data, 2).captions(number) for number in (4, 5)] == whole[4:]
    assert len({text for batch in whole for text in batch}) > 2
    other = [EpochBatches(data, 3).captions(number) for number in range(6)]
    assert other != whole


def test_zero_variants_is_none() -> None:
    assert train(caption_variants=0) == train(caption_variants=None)
    assert train(caption_variants=0).identity() == train().identity()
    assert "caption_variants" not in train().identity()


def loaded(folder: Path, form: str) -> Base:
    save = save_folder if form == "folder" else save_file
    path = folder / ("base" if form == "folder" else "base.safetensors")
    save(small_base("sdxl"), path, "fp32", {})
    return load_base(BaseConfig.plain(str(path)))


@pytest.mark.parametrize("form", ["folder", "file"])
def test_freed_text_encoders_leave_memory_and_come_back_equal(form: str, tmp_path: Path) -> None:
    base = loaded(tmp_path, form)
    ids = torch.tensor([[49406, 320, 2368, *[49407] * 74]])
    before = base.family.encode(base, ids, 1)
    assert base.changeable
    weights = [weakref.ref(next(encoder.parameters())) for encoder in base.text_encoders]
    storages = [weakref.ref(encoder.get_input_embeddings().weight) for encoder in base.text_encoders]
    base.free(base.family.facts.text_encoders)
    gc.collect()
    assert [each() for each in [*weights, *storages]] == [None] * 4
    assert isinstance(base.denoiser, nn.Module)
    again = base.family.encode(base, ids, 1)
    assert torch.equal(again.tokens, before.tokens)
    assert again.pooled is not None
    assert before.pooled is not None
    assert torch.equal(again.pooled, before.pooled)


def test_an_encoder_that_was_made_in_memory_is_not_lost() -> None:
    base = small_base("sdxl")
    first = base.text_encoders[0]
    base.free(["text_encoder"])
    assert base.text_encoders[0] is first
    assert not next(first.parameters()).is_meta


def test_a_woken_encoder_has_the_runs_precision(tmp_path: Path) -> None:
    config = check(compose(Params({}, {"network.text_encoder": False, "train.precision": "bf16"})))
    base = loaded(tmp_path, "folder")
    module = Denoising(base, create(config.network, base, 0), config, 1)
    module.prepare()
    module.rest_text_encoders()
    assert {next(encoder.parameters()).dtype for encoder in base.text_encoders} == {torch.float32}
    module.wake_text_encoders()
    assert {next(encoder.parameters()).dtype for encoder in base.text_encoders} == {torch.bfloat16}
