import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import CLIPConfig, CLIPModel

from pipeline.bases.base import Base
from pipeline.bases.tokens import token_ids
from pipeline.drawing.aesthetic import Aesthetic, slerp, text_features
from pipeline.drawing.conditioning import conditioning
from pipeline.drawing.text_to_image import draw
from pipeline.errors import UserError
from pipeline.prompts.settings import DrawingSettings, PictureJob
from tests.pipeline.bases.random_sd1 import random_base

PROMPTS = ["a cat", "a dog in the rain"]


@pytest.fixture
def base() -> Base:
    return random_base()


@pytest.fixture
def clip(base: Base) -> CLIPModel:
    """A whole CLIP whose text half is the base's text encoder."""
    torch.manual_seed(4)
    text = base.text_encoders[0].config.to_dict()
    model: CLIPModel = CLIPModel(CLIPConfig(text_config=text, projection_dim=16)).eval()
    inner = getattr(base.text_encoders[0], "text_model", base.text_encoders[0])
    model.text_model.load_state_dict(inner.state_dict(), strict=False)
    return model


def aesthetic_of(clip: CLIPModel, **changes: object) -> Aesthetic:
    embedding = torch.randn((1, 16), generator=torch.Generator().manual_seed(5))
    return Aesthetic(embedding=embedding, projection=clip.text_projection.weight.detach(), **changes)  # type: ignore[arg-type]


def test_text_features_are_transformers_own(base: Base, clip: CLIPModel) -> None:
    ids = token_ids(base.tokenizer, PROMPTS)
    theirs = clip.get_text_features(input_ids=ids).pooler_output
    assert torch.allclose(
        text_features(base.text_encoders[0], ids, clip.text_projection.weight), theirs, atol=1e-6
    )


def by_the_extension(clip: CLIPModel, aesthetic: Aesthetic, ids: Tensor, clip_skip: int) -> Tensor:
    """[1, 77, width] the chunk after the steps: AestheticCLIP.__call__, written anew with transformers'
    CLIPModel.
    """
    model, goal = copy.deepcopy(clip), aesthetic.embedding / aesthetic.embedding.norm()
    optimizer = torch.optim.Adam(model.text_model.parameters(), lr=aesthetic.lr)
    for _ in range(aesthetic.steps):
        features = model.get_text_features(input_ids=ids).pooler_output
        optimizer.zero_grad()
        (-(features / features.norm(dim=-1, keepdim=True)) @ goal.T).mean().backward()
        optimizer.step()
    hidden = model.text_model(ids, output_hidden_states=True).hidden_states[-clip_skip]
    normed: Tensor = model.text_model.final_layer_norm(hidden).detach()
    return normed


@pytest.mark.parametrize("clip_skip", [1, 2])
def test_the_steps_are_those_of_the_extension(base: Base, clip: CLIPModel, clip_skip: int) -> None:
    aesthetic, ids = aesthetic_of(clip, lr=1e-3, weight=0.7), token_ids(base.tokenizer, PROMPTS[:1])
    with torch.no_grad():
        states = base.family.encode(base, ids, clip_skip).tokens
        found = aesthetic.applied(base.text_encoders[0], ids, states, clip_skip)
    wanted = 0.3 * states + 0.7 * by_the_extension(clip, aesthetic, ids, clip_skip)
    assert torch.allclose(found, wanted, atol=1e-5)
    assert not torch.allclose(found, states, atol=1e-3)


@torch.no_grad()
def test_emphasis_is_in_the_prompt_before_the_mix_and_not_in_what_the_steps_gave(
    base: Base, clip: CLIPModel
) -> None:
    """The extension mixes what `process_tokens` gave, weighted, with the copy's plain answer."""
    torch.nn.init.normal_(base.text_encoders[0].final_layer_norm.bias)  # a mean that can be restored
    clip.text_model.final_layer_norm.load_state_dict(base.text_encoders[0].final_layer_norm.state_dict())
    aesthetic = aesthetic_of(clip, lr=1e-3, weight=0.7)
    weighted = conditioning(base, "a (cat:1.5)", 1).tokens
    with torch.enable_grad():
        moved = by_the_extension(clip, aesthetic, token_ids(base.tokenizer, ["a cat"]), 1)
    found = conditioning(base, "a (cat:1.5)", 1, aesthetic).tokens
    assert torch.allclose(found, 0.3 * weighted + 0.7 * moved, atol=1e-5)


def test_each_chunk_takes_its_own_steps(base: Base, clip: CLIPModel) -> None:
    aesthetic, ids = aesthetic_of(clip, lr=1e-3, weight=0.7), token_ids(base.tokenizer, PROMPTS)
    with torch.no_grad():
        states = base.family.encode(base, ids, 1).tokens
        both = aesthetic.applied(base.text_encoders[0], ids, states, 1)
        alone = [
            aesthetic.applied(base.text_encoders[0], ids[one : one + 1], states[one : one + 1], 1)
            for one in (0, 1)
        ]
    assert torch.allclose(both, torch.cat(alone), atol=1e-6)


def test_slerp_is_the_extensions(base: Base, clip: CLIPModel) -> None:
    """Its slerp norms over dimension 1, which is the places of a chunk's states [1, 77, width]."""
    aesthetic = aesthetic_of(clip, lr=1e-2, weight=0.6, slerp=True)
    ids = token_ids(base.tokenizer, PROMPTS[:1])
    with torch.no_grad():
        states = base.family.encode(base, ids, 1).tokens
        found = aesthetic.applied(base.text_encoders[0], ids, states, 1)
    moved = by_the_extension(clip, aesthetic, ids, 1).double()
    plain = states.double()
    omega = ((plain * moved).sum(1) / plain.norm(dim=1) / moved.norm(dim=1)).acos()
    first, second = (torch.sin(share * omega) / torch.sin(omega) for share in (0.4, 0.6))
    wanted = first[:, None] * plain + second[:, None] * moved
    assert (omega > 1e-2).all()
    assert torch.allclose(found.double(), wanted, atol=1e-4)


def test_the_prompt_comes_nearer_and_the_encoder_stays(base: Base, clip: CLIPModel) -> None:
    aesthetic, ids = aesthetic_of(clip, steps=10, lr=1e-3), token_ids(base.tokenizer, PROMPTS)
    before = {name: tensor.clone() for name, tensor in base.text_encoders[0].state_dict().items()}

    def nearness(encoder: torch.nn.Module) -> torch.Tensor:
        with torch.no_grad():
            features = text_features(encoder, ids, aesthetic.projection)  # type: ignore[arg-type]
        return torch.cosine_similarity(features, aesthetic.embedding)

    moved = aesthetic.stepped(base.text_encoders[0], ids)
    assert (nearness(moved) > nearness(base.text_encoders[0])).all()
    assert all(
        torch.equal(before[name], tensor) for name, tensor in base.text_encoders[0].state_dict().items()
    )


@pytest.mark.parametrize("changes", [{"weight": 0.0}, {"steps": 0}, {"lr": 0.0}])
def test_without_steps_or_weight_nothing_changes(
    base: Base, clip: CLIPModel, changes: dict[str, float]
) -> None:
    ids = token_ids(base.tokenizer, PROMPTS)
    states = base.family.encode(base, ids, 1).tokens.detach()
    assert aesthetic_of(clip, **changes).applied(base.text_encoders[0], ids, states, 1) is states


def test_slerp_by_hand() -> None:
    """From (2, 0) to (0, 1), a third of a right angle: cos 30 of the one, sin 30 of the other."""
    found = slerp(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 1.0]]), torch.tensor(1 / 3))
    assert found.tolist()[0] == pytest.approx([2 * math.cos(math.pi / 6), 0.5], abs=1e-6)
    states = torch.tensor([[[2.0, 3.0], [0.0, 4.0]]]), torch.tensor([[[0.0, 3.0], [1.0, 4.0]]])
    # The extension's: each column over the places. The second column's directions are one.
    by_channel = [[2 * math.cos(math.pi / 6), 3.0], [0.5, 4.0]]
    assert slerp(*states, torch.tensor(1 / 3))[0].tolist() == [pytest.approx(row) for row in by_channel]
    same = torch.tensor([[1.0, 1.0]])
    assert torch.equal(slerp(same, same, torch.tensor(0.3)), same)


def test_a_text_turns_the_embedding(base: Base, clip: CLIPModel) -> None:
    aesthetic, ids = aesthetic_of(clip), token_ids(base.tokenizer, PROMPTS[:1])
    text = text_features(base.text_encoders[0], ids, aesthetic.projection).detach()
    towards, away = (
        aesthetic.turned(base.text_encoders[0], ids, 0.3, negative) for negative in (False, True)
    )
    start, one, other = (
        float(torch.cosine_similarity(text, each)) for each in (aesthetic.embedding, towards, away)
    )
    assert other < start < one


def test_the_embedding_of_another_clip_is_a_sentence() -> None:
    with pytest.raises(UserError, match=r"is 768 wide, the CLIP model's projection 16"):
        Aesthetic(embedding=torch.ones((1, 768)), projection=torch.ones((16, 16)))


def test_every_prompt_but_the_negative_is_drawn_towards_it(base: Base, clip: CLIPModel) -> None:
    settings = DrawingSettings(
        steps=1,
        guidance=3.0,
        sampler="ddim",
        negative_prompt="blur",
        width=64,
        height=64,
        clip_skip=1,
        batch=2,
    )
    calls: list[int] = []

    class Counted(Aesthetic):
        def applied(self, text_encoder: Any, ids: Tensor, states: Tensor, clip_skip: int) -> Tensor:
            calls.append(int(ids[0, 1]))
            return super().applied(text_encoder, ids, states, clip_skip)

    plain = aesthetic_of(clip, lr=0.05)
    aesthetic = Counted(embedding=plain.embedding, projection=plain.projection, lr=0.05)
    jobs = [PictureJob("a cat", 1), PictureJob("the rain", 2)]
    with_it, without = (list(draw(base, jobs, settings, aesthetic=each)) for each in (aesthetic, None))
    assert calls == [int(token_ids(base.tokenizer, [job.prompt])[0, 1]) for job in jobs]
    assert with_it[0].tobytes() != without[0].tobytes()
