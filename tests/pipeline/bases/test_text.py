"""What conditions the denoiser, against diffusers' own pipelines on the same random weights."""

from functools import partial

import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from transformers import CLIPTokenizer

from pipeline.bases.base import Base
from pipeline.bases.clip_text import words_of
from pipeline.bases.conditioning import Conditioning, cat
from pipeline.bases.new_tokens import new_rows
from pipeline.bases.registry import family
from pipeline.bases.tokenizers import make_tokenizer
from pipeline.bases.tokens import token_ids
from tests.pipeline.bases.tiny import random_parts, small_configs

TEXTS = ["a cat!", "1girl, solo, a very long dress, looking at viewer", ""]


def small_base(name: str) -> Base:
    made, configs = family(name), small_configs(name)
    return Base(made, make_tokenizer(None), random_parts(made, configs), configs)


def ids_of(tokenizer: CLIPTokenizer, texts: list[str]) -> torch.Tensor:
    rows = tokenizer(texts, padding="max_length", truncation=True, max_length=77, return_tensors="pt")
    ids: torch.Tensor = rows.input_ids
    return ids


def test_sdxl_joins_both_encoders_and_pools_the_second() -> None:
    base = small_base("sdxl")
    pipeline = StableDiffusionXLPipeline(
        vae=base.vae, text_encoder=base.text_encoders[0], text_encoder_2=base.text_encoders[1],
        tokenizer=base.tokenizer, tokenizer_2=base.tokenizer, unet=base.denoiser, scheduler=None,
        add_watermarker=False,
    )  # fmt: skip
    ids = ids_of(base.tokenizer, TEXTS)
    ours = base.family.encode(base, ids, clip_skip=1)
    for place, encoder in enumerate(base.text_encoders):
        encoder.config.eos_token_id = base.end_token
        own = ids if place == 0 else torch.where((ids == base.end_token).cumsum(1) > 1, 0, ids)
        theirs = encoder(own, output_hidden_states=True)
        width = theirs.hidden_states[-2].shape[-1]
        start = 0 if place == 0 else ours.tokens.shape[-1] - width
        worded = slice(0, 2)  # a text without words is zeros
        assert torch.equal(ours.tokens[worded, :, start : start + width], theirs.hidden_states[-2][worded])
        if place == 1:
            assert ours.pooled is not None
            assert torch.allclose(ours.pooled[worded], theirs.text_embeds[worded], atol=1e-6)
    whole, _, pooled, _ = pipeline.encode_prompt(TEXTS[1], do_classifier_free_guidance=False, device="cpu")
    assert whole.shape == ours.tokens[1:2].shape
    assert torch.equal(whole[..., :16], ours.tokens[1:2, :, :16])
    assert pooled.shape == (1, 24)


def test_an_embeddings_id_beyond_the_vocabulary_is_not_taken_for_the_end() -> None:
    base = small_base("sdxl")
    counts = {"zib": 2}
    ids = ids_of(base.tokenizer, ["a cat"])
    beyond, cat_id = base.text_encoders[1].get_input_embeddings().num_embeddings, int(ids[0, 2])
    with_word = ids.clone()
    with_word[0, 2] = beyond
    rows = [encoder.get_input_embeddings().weight[cat_id] for encoder in base.text_encoders]
    with new_rows(base.text_encoders, counts, [partial(torch.stack, [row, row]) for row in rows]):
        found = base.family.encode(base, with_word, 1).pooled
    expected = base.family.encode(base, ids, 1).pooled
    assert found is not None
    assert expected is not None
    assert torch.equal(found, expected)


def test_an_embedding_in_a_long_caption_pools_the_first_chunks_own_end() -> None:
    base = small_base("sdxl")
    beyond = base.text_encoders[1].get_input_embeddings().num_embeddings
    rows = [encoder.get_input_embeddings().weight[:1] for encoder in base.text_encoders]
    with new_rows(base.text_encoders, {"zib": 1}, [partial(torch.clone, row) for row in rows]):
        words = words_of(base.text_encoders)
        ids = token_ids(base.tokenizer, ["a zib cat", "zib " * 80], words, 225)
        assert int(ids.max()) == beyond
        whole = base.family.encode(base, ids, 1)
        expected = []
        for chunk in ids[:, 0]:
            own = torch.where((chunk == 49407).cumsum(0) > 1, 0, chunk)[None]
            last = base.text_encoders[1].text_model(own).last_hidden_state
            place = chunk.tolist().index(49407)  # 4 in the first, 76 in the second
            expected.append(base.text_encoders[1].text_projection(last[0, place]))
    assert whole.tokens.shape == (2, 227, 40)
    assert whole.pooled is not None
    assert torch.allclose(whole.pooled, torch.stack(expected), atol=1e-6)


def test_sdxls_second_encoder_is_padded_with_0_and_reads_an_exclamation_mark() -> None:
    base, seen = small_base("sdxl"), list[list[int]]()
    second = base.text_encoders[1].get_input_embeddings()
    second.register_forward_pre_hook(lambda _, given: seen.append(given[0][0].tolist()))
    base.family.encode(base, token_ids(base.tokenizer, ["a cat!"]), 1)
    assert seen[0] == [49406, 320, 2368, 256, 49407, *[0] * 72]


def test_sdxls_denoiser_reads_the_pooled_vector_then_six_numbers_as_cosines_and_sines() -> None:
    """Of 1024: cos and sin of 1024 exp(-ln 10000 i / 128), i = 0, 1, 2; of 0: 1 and 0."""
    configs, made = small_configs("sdxl"), family("sdxl")
    published = {"addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 24 + 6 * 256}
    configs["unet"] |= published
    base = Base(made, make_tokenizer(None), random_parts(made, configs), configs)
    seen = list[torch.Tensor]()
    base.denoiser.add_embedding.register_forward_pre_hook(lambda _, given: seen.append(given[0][0]))
    encoded = base.family.encode(base, token_ids(base.tokenizer, ["a cat"]), 1)
    cosines, sines = [0.987354, -0.537610, 0.683435], [-0.158533, -0.843193, 0.730012]
    for place in range(6):
        sizes = [1024 if each == place else 0 for each in range(6)]
        base.family.predict(base, torch.zeros(1, 4, 8, 8), torch.tensor([5]), encoded.sized(sizes))
        vector = seen[-1]
        assert encoded.pooled is not None
        assert torch.equal(vector[:24], encoded.pooled[0])
        numbers = vector[24:].view(6, 2, 128)
        assert numbers[place, 0, :3].tolist() == pytest.approx(cosines, abs=1e-4)  # float32 of 1024
        assert numbers[place, 1, :3].tolist() == pytest.approx(sines, abs=1e-4)
        others = torch.cat([numbers[:place], numbers[place + 1 :]])
        assert (others[:, 0] == 1).all()
        assert not others[:, 1].any()


def test_padding_is_behind_the_end_and_an_exclamation_mark_stays_a_word() -> None:
    base = small_base("sd2")
    ids = ids_of(base.tokenizer, ["a cat!"])
    assert 256 in ids[0].tolist()
    encoder = base.text_encoders[0]
    own = torch.tensor([[49406, 320, 2368, 256, 49407, *[0] * 72]])
    assert torch.equal(base.family.encode(base, ids, 1).tokens, encoder(own).last_hidden_state)


def test_sd1_is_conditioned_as_by_diffusers() -> None:
    base = small_base("sd1")
    pipeline = StableDiffusionPipeline(
        vae=base.vae, text_encoder=base.text_encoders[0], tokenizer=base.tokenizer, unet=base.denoiser,
        scheduler=None, safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    ours = base.family.encode(base, ids_of(base.tokenizer, TEXTS), 1).tokens
    theirs, _ = pipeline.encode_prompt(TEXTS, "cpu", 1, False)
    assert torch.equal(ours, theirs)


def test_clip_skip_leaves_layers_out_and_keeps_the_final_norm() -> None:
    base = small_base("sd1")
    ids, (encoder,) = ids_of(base.tokenizer, TEXTS), base.text_encoders
    states = encoder(ids, output_hidden_states=True).hidden_states
    expected = encoder.final_layer_norm(states[-2])
    assert torch.equal(base.family.encode(base, ids, 2).tokens, expected)


@pytest.mark.parametrize("name", ["sd1", "sd2", "sdxl"])
def test_long_captions_are_joined_from_chunks_of_75(name: str) -> None:
    base = small_base(name)
    chunks = ids_of(base.tokenizer, ["a cat", "a dog", "a hat"])
    whole = base.family.encode(base, chunks[None], 1)
    alone = [base.family.encode(base, each[None], 1) for each in chunks]
    assert whole.tokens.shape[1] == 227
    assert torch.allclose(whole.tokens[:, :76], alone[0].tokens[:, :76], atol=1e-6)
    assert torch.allclose(whole.tokens[:, 76:151], alone[1].tokens[:, 1:76], atol=1e-6)
    assert torch.allclose(whole.tokens[:, 151:], alone[2].tokens[:, 1:], atol=1e-6)
    if whole.pooled is not None:
        assert alone[0].pooled is not None
        assert torch.allclose(whole.pooled, alone[0].pooled, atol=1e-6)


def test_a_batch_of_conditionings_is_cut_and_joined_as_one() -> None:
    whole = Conditioning(torch.rand(3, 77, 4), torch.rand(3, 2), torch.rand(3, 6))
    again = cat([whole.rows(slice(0, 1)), whole.rows(slice(1, 3))])
    assert torch.equal(again.tokens, whole.tokens)
    assert again.pooled is not None
    assert whole.pooled is not None
    assert torch.equal(again.pooled, whole.pooled)
    assert again.sizes is not None
    assert again.sizes.shape == (3, 6)
    assert cat([Conditioning(torch.rand(1, 2, 3))] * 2).pooled is None
