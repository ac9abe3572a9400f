"""Embeddings by their words in the prompt, hypernetworks by a call, against references built by hand."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.bases.base import Base
from pipeline.drawing.conditioning import chunks, conditioning
from pipeline.drawing.library import Library
from pipeline.drawing.named_files import NamedFiles
from pipeline.drawing.text_to_image import draw
from pipeline.errors import UserError
from pipeline.files.safetensors_file import write_safetensors
from pipeline.networks.embedding import Embedding
from pipeline.networks.families import load
from pipeline.networks.hypernetwork import Hypernetwork
from pipeline.prompts.settings import DrawingSettings, PictureJob
from pipeline.prompts.weights import weighted_parts
from pipeline.schemas.hypernetwork import HypernetworkConfig
from tests.pipeline.bases.random_sd1 import random_base
from tests.pipeline.drawing.lora_files import write_lora
from tests.pipeline.networks.examples import defaults

START, END, A, CAT = 49406, 49407, 320, 2368
VOCABULARY = 49408
SETTINGS = DrawingSettings(
    steps=2, guidance=3.0, sampler="euler", negative_prompt="", width=64, height=64, clip_skip=1, batch=2
)


def vectors(count: int, seed: int = 5) -> Tensor:
    return torch.randn(count, 16, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def base() -> Base:
    made = random_base()
    torch.nn.init.normal_(made.text_encoders[0].final_layer_norm.bias)
    return made


@pytest.fixture(scope="module")
def library(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder = tmp_path_factory.mktemp("networks")
    write_safetensors(folder / "zib.safetensors", {"emb_params": vectors(2)}, {})
    write_safetensors(folder / "bad-hands.safetensors", {"emb_params": vectors(3, 6)}, {})
    write_lora(folder / "lora.safetensors", base, 1)
    settings = HypernetworkConfig.model_validate({**defaults("hypernetwork"), "sizes": None})
    hypernetwork = Hypernetwork.create(settings, base, seed=1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        for parameter in hypernetwork.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    tensors, metadata = hypernetwork.file_tensors("fp32"), hypernetwork.metadata()
    write_safetensors(folder / "hyper.safetensors", tensors, metadata)
    return Library(NamedFiles([folder]))


def drawn(base: Base, library: Library, prompt: str, **changes: Any) -> bytes:
    settings = DrawingSettings(**{**vars(SETTINGS), **changes})
    return next(iter(draw(base, [PictureJob(prompt, 1)], settings, library))).tobytes()


@torch.no_grad()
def test_a_words_vectors_stand_in_its_place_and_take_its_weight(base: Base) -> None:
    """The reference: a text encoder whose table has two more rows."""
    other = random_base().text_encoders[0]
    other.load_state_dict(base.text_encoders[0].state_dict())
    other.resize_token_embeddings(VOCABULARY + 2, mean_resizing=False)
    other.get_input_embeddings().weight[VOCABULARY:] = vectors(2)
    ids = torch.tensor([[START, A, VOCABULARY, VOCABULARY + 1, CAT, *[END] * 72]])
    plain = other(ids).last_hidden_state
    wanted = plain.clone()
    wanted[:, 2:4] *= 1.5
    wanted *= plain.mean() / wanted.mean()
    with Embedding({"zib": vectors(2)}).attached(base):
        torch.testing.assert_close(conditioning(base, "a Zib cat", 1).tokens, plain)
        torch.testing.assert_close(conditioning(base, "a (zib:1.5) cat", 1).tokens, wanted)


def test_an_embedding_is_never_split_over_two_chunks(base: Base) -> None:
    words = {"zib": range(VOCABULARY, VOCABULARY + 10)}
    first, second = chunks(base.tokenizer, weighted_parts("a " * 70 + "zib"), words)
    assert first.ids == (START, *[A] * 70, *[END] * 6)
    assert second.ids[:12] == (START, *words["zib"], END)
    (fits,) = chunks(base.tokenizer, weighted_parts("a " * 65 + "zib"), words)
    assert fits.ids[66:76] == tuple(words["zib"])
    with pytest.raises(UserError, match="embedding of 76 vectors"):
        chunks(base.tokenizer, weighted_parts("zib"), {"zib": range(VOCABULARY, VOCABULARY + 76)})


def test_a_word_in_either_prompt_calls_its_embedding(base: Base, library: Library) -> None:
    plain = drawn(base, Library(), "a zib cat")
    embedding = load(library.files.find("zib"), base)
    with embedding.attached(base):
        wanted = drawn(base, Library(), "a zib cat")
        # One that is attached already is not attached again.
        assert drawn(base, library, "a zib cat") == wanted
    assert drawn(base, library, "a zib cat") == wanted != plain
    assert drawn(base, library, "a zibbo cat") == drawn(base, Library(), "a zibbo cat")
    assert drawn(base, library, "cat", negative_prompt="bad-hands") != drawn(
        base, Library(), "cat", negative_prompt="bad-hands"
    )


def test_a_hypernetwork_acts_at_its_strength(base: Base, library: Library) -> None:
    network = load(library.files.find("hyper"), base)
    network.set_weight(0.6)
    with network.attached(base):
        wanted = drawn(base, Library(), "a cat")
    assert drawn(base, library, "a cat<hypernet:hyper:0.6>") == wanted != drawn(base, Library(), "a cat")


def test_all_kinds_act_at_once(base: Base, library: Library) -> None:
    prompts = ["zib", "zib<lora:lora>", "zib<hypernet:hyper>", "zib<lora:lora><hypernet:hyper>", "b"]
    assert len({drawn(base, library, prompt) for prompt in prompts}) == 5


def test_the_files_that_a_prompt_needs(library: Library) -> None:
    assert library.files.words.keys() == {"zib", "bad-hands"}
    found = library.files.used("a (Zib:1.2)<lora:lora:0.5><hypernet:hyper>")
    assert {name: path.name for name, path in found.items()} == {
        "zib": "zib.safetensors",
        "lora": "lora.safetensors",
        "hyper": "hyper.safetensors",
    }


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ("<lora:zib>", r"is an embedding: write its word \(zib\)"),
        ("<lora:hyper>", "write <hypernet:hyper>"),
        ("<hypernet:lora>", "write <lora:lora>"),
        ("<lora:hyper:1:2>", "write <hypernet:hyper>"),
    ],
)
def test_a_call_of_the_wrong_kind_is_told(base: Base, library: Library, prompt: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        drawn(base, library, prompt)


def test_two_embeddings_of_one_word_are_told(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        write_safetensors(tmp_path / folder / "zib.safetensors", {"emb_params": vectors(1)}, {})
    with pytest.raises(UserError, match="both called 'zib'"):
        _ = NamedFiles([tmp_path]).words
