from dataclasses import replace

import pytest
import torch
from transformers import CLIPTokenizer

from pipeline.bases.conditioning import Conditioning
from pipeline.bases.tokenizers import make_tokenizer
from pipeline.bases.tokens import token_ids
from pipeline.training.emphasis import unweighted, weighted_ids
from tests.pipeline.training.test_module import batch_of, frozen_base, module_of, settings


@pytest.fixture(scope="module")
def tokenizer() -> CLIPTokenizer:
    return make_tokenizer(None)


def test_each_token_has_its_words_weight_and_all_else_one(tokenizer: CLIPTokenizer) -> None:
    ids, weights = weighted_ids(tokenizer, ["a (red hat:1.5), [cat]", "a"])
    assert torch.equal(ids, token_ids(tokenizer, ["a red hat, cat", "a"]))
    assert weights.shape == (2, 77, 1)
    # start, a, red, hat, `,`, cat, then the end and padding
    expected = [1, 1, 1.5, 1.5, 1, 1 / 1.1, *[1] * 71]
    assert weights[0, :, 0].tolist() == pytest.approx(expected)
    assert weights[1].eq(1).all()


def test_long_captions_keep_their_weights_in_every_chunk(tokenizer: CLIPTokenizer) -> None:
    text = ", ".join(["a"] * 50) + ", (hat:0.5)"  # 99 tokens and a comma before the hat
    ids, weights = weighted_ids(tokenizer, [text], max_tokens=150)
    assert ids.shape == (1, 2, 77)
    assert weights.shape == (1, 152, 1)  # one start, 2 x 75, one end, as `encode` joins them
    assert weights[0, :, 0].ne(1).nonzero().flatten().tolist() == [101]
    assert weights[0, 101, 0] == 0.5


def test_brackets_that_mean_themselves_and_break_are_words() -> None:
    assert unweighted(r"mario \(game\), (smile:1.2)") == "mario (game), smile"
    assert "BREAK" in unweighted("a BREAK b")


@pytest.mark.usefixtures("root")
def test_the_text_encoders_outputs_are_multiplied_by_the_weights() -> None:
    base = frozen_base()
    module, batch = module_of(base, settings()), batch_of(base)
    ids, weights = weighted_ids(base.tokenizer, ["a (cat:1.5)", ""])
    assert torch.equal(ids, batch.ids)
    states = base.family.encode(base, ids, 1).tokens
    states[0, 2] *= 1.5  # start, a, cat
    by_hand = module.picture_losses(replace(batch, conditioning=Conditioning(states)))
    assert torch.equal(module.picture_losses(replace(batch, emphasis=weights)), by_hand)
    assert not torch.equal(module.picture_losses(batch), by_hand)
