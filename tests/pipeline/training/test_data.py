from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from pipeline.bases.conditioning import Conditioning
from pipeline.bases.registry import family
from pipeline.bases.tokenizers import make_tokenizer
from pipeline.config.compose import Params, compose
from pipeline.files.safetensors_file import write_safetensors
from pipeline.schemas import TrainConfig
from pipeline.training.data import EncodedData, EpochBatches, Picture
from pipeline.training.epoch_order import EpochPicture
from pipeline.training.prefetched import Prefetched


@pytest.fixture
def data(tmp_path: Path, root: Path) -> EncodedData:
    assert family("sd1").configs
    pictures = [
        Picture("x/a", "x", "zib, one", "zib", EpochPicture(2, False, (64, 64))),
        Picture("x/b", "x", "zib, two", "zib", EpochPicture(1, False, (64, 64))),
        Picture("class/0", "class", "thing", None, EpochPicture(1, True, (64, 64))),
    ]
    latents = {p.id: torch.full((8, 8, 8), float(n)) for n, p in enumerate(pictures)}
    write_safetensors(tmp_path / "latents.safetensors", latents, {})
    values = {**compose(Params({}, {}))["train"], "batch": 4, "prior_loss_weight": 0.5}
    return EncodedData(tmp_path, pictures, make_tokenizer(None), TrainConfig.model_validate(values), seed=1)


def test_latents_captions_and_weights_belong_together(data: EncodedData) -> None:
    seen = []
    for number in range(2):
        batch = EpochBatches(data, 0)[number]
        assert batch.mean.shape == batch.std.shape == (len(batch.weight), 4, 8, 8)
        texts = data.tokenizer.batch_decode(batch.ids, skip_special_tokens=True)
        for row, (text, weight) in enumerate(zip(texts, batch.weight.tolist(), strict=True)):
            picture = int(batch.mean[row, 0, 0, 0])
            assert weight == (0.5 if picture == 2 else 1.0)
            assert {0: "one", 1: "two", 2: "thing"}[picture] in text
            seen.append(picture)
    assert sorted(seen) == [0, 0, 1, 2, 2, 2]


def test_two_means_weighs_each_half_as_a_mean(data: EncodedData) -> None:
    data.config = data.config.model_copy(update={"prior_form": "two_means"})
    for number in range(2):
        batch = EpochBatches(data, 0)[number]
        is_class = batch.mean[:, 0, 0, 0] == 2
        assert batch.weight.tolist() == [1.0 if each else 2.0 for each in is_class]
        assert 2 * int(is_class.sum()) == len(batch.weight)
    assert len(EpochBatches(data, 0)) == 2


def test_a_batch_follows_from_its_number_alone(data: EncodedData) -> None:
    one, again = EpochBatches(data, 3)[1], EpochBatches(data, 3)
    again[0]
    assert torch.equal(one.ids, again[1].ids)
    assert one.step == 3 * 2 + 1


def test_an_embeddings_word_is_shown_as_its_vectors(data: EncodedData) -> None:
    data.words = {"zib": range(49408, 49411), "zob": range(49411, 49412)}
    assert data.unseen_words() == ["zob"]
    batch = EpochBatches(data, 0)[0]
    for row, picture in zip(batch.ids.tolist(), batch.mean[:, 0, 0, 0].tolist(), strict=True):
        assert row[1:5] == [49408, 49409, 49410, 267] if picture < 2 else 49408 not in row


def test_templates_name_the_concepts_pictures_and_no_class_picture(data: EncodedData) -> None:
    data.words = {"zob": range(49408, 49409)}
    data.templates, data.names = ["[name] in a photo, [filewords]", "[name]"], {"x": "zob", "class": "zob"}
    assert data.unseen_words() == []
    assert data.longest_texts() == ["zob in a photo, zib, one", "zob in a photo, zib, two", "thing"]
    data.names = {}
    assert data.unseen_words() == ["zob"]
    assert data.longest_texts() == ["zib, one", "zib, two", "thing"]


def test_pictures_without_a_mask_count_everywhere_and_batches_without_any_have_none(
    data: EncodedData,
) -> None:
    assert EpochBatches(data, 0)[0].mask is None
    write_safetensors(data.encoded / "masks.safetensors", {"x/a": torch.full((1, 8, 8), 0.25)}, {})
    for batch in (EpochBatches(data, 0)[number] for number in range(2)):
        shown = batch.mean[:, 0, 0, 0].tolist()
        if 0 not in shown:
            assert batch.mask is None
            continue
        assert batch.mask is not None
        assert batch.mask.shape == (len(shown), 1, 8, 8)
        assert batch.mask[:, 0, 0, 0].tolist() == [0.25 if number == 0 else 1 for number in shown]


def test_on_a_card_every_tensor_of_a_batch_is_pinned(
    data: EncodedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned: list[torch.Tensor] = []

    def pin(tensor: torch.Tensor) -> torch.Tensor:
        pinned.append(tensor)
        return tensor.clone()

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    batch = EpochBatches(data, 0)[0]
    batch.conditioning = Conditioning(torch.ones(4, 2, 3), torch.ones(4, 3))
    copy = batch.pin_memory()
    assert len(pinned) == 4 + 2
    assert torch.equal(copy.mean, batch.mean)
    assert copy.mean is not batch.mean
    assert copy.conditioning is not batch.conditioning
    for there in (True, False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        loader = data.train_dataloader()
        assert isinstance(loader, Prefetched) is there
        pins = loader.items if isinstance(loader, Prefetched) else loader
        assert isinstance(pins, DataLoader)
        assert pins.pin_memory is there
