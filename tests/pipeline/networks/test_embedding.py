from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from pipeline.bases.base import Base
from pipeline.bases.clip_text import words_of
from pipeline.bases.parts import UNET
from pipeline.bases.registry import family
from pipeline.bases.save import save_folder
from pipeline.bases.tokens import token_ids
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.errors import UserError
from pipeline.files.embedding_file import write_each
from pipeline.files.safetensors_file import write_safetensors
from pipeline.networks.embedding import Embedding, spread
from pipeline.networks.network import AdapterNetwork
from pipeline.schemas.embedding import EmbeddingConfig
from pipeline.training.data import Batch
from pipeline.training.module import Denoising
from pipeline.training.optimizers import make_optimizer
from tests.pipeline.bases.random_sd1 import random_base

PROMPT = "a photo of zib, smile"


def config(*words: tuple[str, int, str], init: str = "spread") -> EmbeddingConfig:
    return EmbeddingConfig.model_validate(
        {
            "name": "embedding",
            "words": [word for word, _, _ in words],
            "num_vectors": {word: count for word, count, _ in words},
            "initial_text": {word: text for word, _, text in words},
            "init": init,
            "concepts": {},
            "templates": None,
        }
    )


@pytest.fixture
def base() -> Base:
    made = random_base()
    for part in (made.text_encoders[0], made.denoiser):
        part.requires_grad_(False)
    return made


def made(base: Base, *words: tuple[str, int, str], init: str = "spread") -> Embedding:
    return Embedding.create(config(*words, init=init), base, 0)


def filled(base: Base, *words: tuple[str, int, str]) -> Embedding:
    """Vectors that are no token's."""
    embedding = made(base, *words)
    torch.manual_seed(3)
    for vectors in embedding.vectors:
        torch.nn.init.normal_(vectors)
    return embedding


def ids_of(base: Base, prompt: str) -> list[int]:
    return token_ids(base.tokenizer, [prompt], words_of(base.text_encoders))[0].tolist()


@torch.no_grad()
def answer(base: Base, prompt: str = PROMPT) -> Tensor:
    return base.family.encode(base, torch.tensor([ids_of(base, prompt)]), clip_skip=1).tokens


def table(base: Base) -> Tensor:
    rows: Tensor = base.text_encoders[0].get_input_embeddings().weight
    return rows


def test_hand_worked_start(base: Base) -> None:
    assert spread(2, 4) == [0, 0, 1, 1]
    assert spread(3, 2) == [0, 1]
    cat, dog = table(base)[2368], table(base)[1929]
    assert torch.equal(made(base, ("zib", 4, "cat dog")).vectors[0], torch.stack([cat, cat, dog, dog]))
    assert torch.equal(made(base, ("zib", 1, "cat dog")).vectors[0], cat[None])
    assert not made(base, ("zib", 2, "")).vectors[0].any()
    mean = made(base, ("zib", 2, "cat dog"), init="mean").vectors[0]
    assert torch.allclose(mean, torch.stack([(cat + dog) / 2] * 2))


def test_before_training_the_word_means_its_initial_text(base: Base) -> None:
    wanted = answer(base, "a photo of red cat, smile")
    with made(base, ("zib", 2, "red cat")).attached(base):
        assert torch.equal(answer(base), wanted)


def test_attached_it_acts_with_its_strength_and_detached_nothing_is_left(base: Base) -> None:
    embedding, plain, vocabulary = filled(base, ("zib", 3, "cat")), answer(base), len(base.tokenizer)
    state = {name: value.clone() for name, value in base.text_encoders[0].state_dict().items()}
    with embedding.attached(base):
        full = answer(base)
        embedding.set_weight(0.5)
        half = answer(base)
        other = answer(base, "a cat")
    assert (full - plain).abs().max() > 0.01
    assert (full - half).abs().max() > 0.001
    assert torch.equal(answer(base), plain)
    assert torch.equal(answer(base, "a cat"), other)
    assert len(base.tokenizer) == vocabulary
    assert not words_of(base.text_encoders)
    assert not {"forward", "words"} & base.text_encoders[0].get_input_embeddings().__dict__.keys()
    after = base.text_encoders[0].state_dict()
    assert after.keys() == state.keys()
    assert all(torch.equal(after[name], state[name]) for name in state)


def test_several_words_and_several_embeddings_at_once(base: Base) -> None:
    first, second = filled(base, ("zib", 2, "cat"), ("zob", 1, "dog")), filled(base, ("zab", 1, "cat"))
    with first.attached(base), second.attached(base):
        assert {word: list(ids) for word, ids in words_of(base.text_encoders).items()} == {
            "zib": [49408, 49409], "zob": [49410], "zab": [49411],
        }  # fmt: skip
        rows = base.text_encoders[0].get_input_embeddings()(torch.tensor([49408, 49409, 49410, 49411, 5]))
        wanted = [*first.vectors[0], *first.vectors[1], *second.vectors[0], table(base)[5]]
        assert torch.equal(rows, torch.stack(wanted))
        with pytest.raises(UserError, match="two embeddings are both called zab"):
            second.attached(base).__enter__()
    with first.attached(base):
        assert "zab" not in words_of(base.text_encoders)


@pytest.mark.usefixtures("root")
def test_training_changes_the_new_rows_alone_whatever_the_weight_decay(base: Base) -> None:
    embedding = made(base, ("zib", 2, "cat"), ("zob", 2, "dog"))
    settings = check(compose(Params({}, {"optimizer.weight_decay": 0.5, "optimizer.lr": 0.01})))
    assert embedding.part_parameters(family("sd1").part("text_encoder")) == []
    parts = {UNET: embedding.part_parameters(UNET)}
    optimizer = make_optimizer(settings.optimizer, parts)
    state = {
        (part, name): value.clone()
        for part in ("text_encoder", "unet")
        for name, value in base.part(part).state_dict().items()
    }
    before = [vectors.detach().clone() for vectors in embedding.vectors]
    # Its loss is all that is asked of it here; what it would train is left aside.
    step = Denoising(base, AdapterNetwork(), settings, total_steps=3)
    with embedding.attached(base):
        for number in range(3):
            ids = token_ids(base.tokenizer, [PROMPT, "a cat"], words_of(base.text_encoders))
            mean = torch.randn((2, 4, 8, 8), generator=torch.Generator().manual_seed(number))
            batch = Batch(mean, torch.zeros_like(mean), ids, torch.ones(2), number)
            step.picture_losses(batch).mean().backward()
            assert embedding.vectors[0].grad is not None
            assert embedding.vectors[0].grad.any(dim=1).all()
            assert embedding.vectors[1].grad is not None
            assert not embedding.vectors[1].grad.any()
            optimizer.step()
            optimizer.zero_grad()
    assert not torch.equal(embedding.vectors[0], before[0])
    for (part, name), value in state.items():
        assert torch.equal(base.part(part).state_dict()[name], value), name
    assert all(p.grad is None for p in [*base.text_encoders[0].parameters(), *base.denoiser.parameters()])


@pytest.mark.parametrize("layout", ["safetensors", "each"])
def test_diffusers_loads_the_file_with_the_same_effect(tmp_path: Path, base: Base, layout: str) -> None:
    embedding = filled(base, ("zib", 3, "cat"))
    path = tmp_path / "zib.safetensors"
    if layout == "each":
        write_each(tmp_path, dict(zip(embedding.words, embedding.vectors, strict=True)))
    else:
        write_safetensors(path, embedding.file_tensors("fp32"), embedding.metadata())
    with embedding.attached(base):
        ours = answer(base)
    save_folder(base, tmp_path / "base", "fp32", {})
    pipe = StableDiffusionPipeline.from_pretrained(tmp_path / "base")
    pipe.load_textual_inversion(path, token="zib")
    theirs = pipe.encode_prompt(PROMPT, torch.device("cpu"), 1, False)[0]
    assert torch.allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("words", [[("zib", 2, "cat")], [("zib", 2, "cat"), ("zob", 1, "dog")]])
def test_saved_and_loaded_it_is_equal_to_the_byte(
    tmp_path: Path, base: Base, words: list[tuple[str, int, str]]
) -> None:
    embedding = filled(base, *words)
    one, two = tmp_path / "run-000001.safetensors", tmp_path / "b.safetensors"
    write_safetensors(one, embedding.file_tensors("fp32"), embedding.metadata())
    loaded = Embedding.load(one, base)
    assert loaded.counts == embedding.counts
    write_safetensors(two, loaded.file_tensors("fp32"), loaded.metadata())
    assert one.read_bytes() == two.read_bytes()


def test_a_file_of_another_base_is_a_sentence(tmp_path: Path, base: Base) -> None:
    write_each(tmp_path, {"zib": torch.ones(2, 1024)})
    with pytest.raises(UserError, match="1024 wide, this base's text encoder has 16"):
        Embedding.load(tmp_path / "zib.safetensors", base)


@pytest.mark.parametrize(
    "words",
    [[], [("zib", 0, "")], [("zib", 76, "")], [("two words", 1, "")], [("zib", 1, ""), ("ZIB", 1, "")]],
)
def test_what_cannot_be_trained_is_refused(words: Any) -> None:
    with pytest.raises(ValueError, match="validation error"):
        config(*words)


def test_a_word_may_belong_to_one_concept() -> None:
    chosen = EmbeddingConfig.model_validate(
        {
            "name": "embedding",
            "words": ["zib", "inked", "zob"],
            "num_vectors": 1,
            "initial_text": "",
            "init": "mean",
            "concepts": {"zib": "person", "zob": "other"},
            "templates": "subject",
        }
    )
    assert chosen.words_of("person") == ["zib", "inked"]


def test_what_names_an_unknown_word_or_leaves_one_out_is_refused() -> None:
    values = {**config(("zib", 1, "")).model_dump(), "initial_text": "cat"}
    wrongs: tuple[dict[str, object], ...] = (
        {"num_vectors": {"zob": 1}},
        {"concepts": {"zob": "x"}},
        {"num_vectors": {}},
    )
    for wrong in wrongs:
        with pytest.raises(ValueError, match=r"names zob, which is not in `words`|lacks zib"):
            EmbeddingConfig.model_validate({**values, **wrong})


def test_several_words_get_a_file_of_each_alone(tmp_path: Path, base: Base) -> None:
    assert filled(base, ("zib", 2, "")).companion_files("fp32") == {}
    embedding = filled(base, ("zib", 2, ""), ("zob", 3, ""))
    for end, file in embedding.companion_files("fp32").items():
        write_safetensors(tmp_path / f"x{end}.safetensors", file.tensors, file.metadata)
    for word, vectors in zip(embedding.words, embedding.vectors, strict=True):
        alone = Embedding.load(tmp_path / f"x_{word}.safetensors", base)
        assert alone.words == (word,)
        assert torch.equal(alone.vectors[0], vectors)
