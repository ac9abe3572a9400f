"""References built by hand from the text encoder's outputs."""

import pytest
import torch
from torch import Tensor

from pipeline.bases.base import Base
from pipeline.drawing.conditioning import conditioning, emphasised
from pipeline.errors import UserError
from tests.pipeline.bases.random_sd1 import random_base

START, END, COMMA, A, B, CAT = 49406, 49407, 267, 320, 321, 2368


@pytest.fixture(scope="module")
def base() -> Base:
    made = random_base()
    # A fresh norm's outputs have the mean 0, to which nothing can be restored; a trained one's have not.
    torch.nn.init.normal_(made.text_encoders[0].final_layer_norm.bias)
    return made


def states(base: Base, body: list[int], clip_skip: int = 1) -> Tensor:
    ids = torch.tensor([[START, *body, *[END] * (76 - len(body))]])
    output = base.text_encoders[0](ids, output_hidden_states=True)
    if clip_skip == 1:
        last: Tensor = output.last_hidden_state
        return last
    normed: Tensor = base.text_encoders[0].final_layer_norm(output.hidden_states[-clip_skip])
    return normed


@pytest.mark.parametrize("clip_skip", [1, 2])
@torch.no_grad()
def test_a_plain_prompt_is_the_text_encoders_output(base: Base, clip_skip: int) -> None:
    assert torch.equal(conditioning(base, "a cat", clip_skip).tokens, states(base, [A, CAT], clip_skip))


@pytest.mark.parametrize("clip_skip", [1, 2])
@torch.no_grad()
def test_weights_scale_their_tokens_and_the_mean_stays(base: Base, clip_skip: int) -> None:
    plain = states(base, [A, CAT], clip_skip)
    wanted = plain.clone()
    wanted[:, 1] *= 1.5  # a
    wanted[:, 2] /= 1.1  # cat
    wanted *= plain.mean() / wanted.mean()
    found = conditioning(base, "(a:1.5) [cat]", clip_skip).tokens
    torch.testing.assert_close(found, wanted)
    assert found.mean().item() == pytest.approx(plain.mean().item(), rel=1e-5)


@torch.no_grad()
def test_a_long_prompt_is_its_chunks_side_by_side_each_with_its_own_mean(base: Base) -> None:
    first, second = states(base, [A] * 60 + [COMMA]), states(base, [B] * 15)
    weighted = second.clone()
    weighted[:, 1:16] *= 2
    weighted *= second.mean() / weighted.mean()
    found = conditioning(base, "a " * 60 + ", (" + "b " * 15 + ":2)", 1).tokens
    assert found.shape == (1, 154, 16)
    torch.testing.assert_close(found, torch.cat([first, weighted], dim=1))


@torch.no_grad()
def test_break_joins_two_prompts(base: Base) -> None:
    joined = torch.cat([states(base, [A]), states(base, [CAT])], dim=1)
    torch.testing.assert_close(conditioning(base, "a BREAK cat", 1).tokens, joined)


def test_a_mean_of_nought_is_not_restored() -> None:
    states = torch.randn(1, 77, 16)
    states -= states.mean()
    weights = torch.ones(1, 77)
    weights[0, 5] = 2
    found = emphasised(states, weights)
    assert torch.equal(found[0, 5], states[0, 5] * 2)
    assert torch.equal(found[0, 6:], states[0, 6:])


def test_more_layers_skipped_than_there_are_is_told(base: Base) -> None:
    layers = base.text_encoders[0].config.num_hidden_layers
    assert conditioning(base, "a", layers).tokens.shape == (1, 77, 16)
    with pytest.raises(UserError, match=f"clip skip {layers + 1}: .* has {layers} layers"):
        conditioning(base, "a", layers + 1)
