"""T5 as SD 3's third text encoder: names, tokens, files, folders, and what diffusers reads."""

import json
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusion3Pipeline
from safetensors.torch import load_file, save_file
from transformers import T5TokenizerFast  # type: ignore[attr-defined]

from pipeline.bases import eight_bits
from pipeline.bases.base import Base
from pipeline.bases.doctor import examined
from pipeline.bases.eight_bits import EightBitLinear
from pipeline.bases.encoder_files import encoders_sha256
from pipeline.bases.load import load_base
from pipeline.bases.registry import family
from pipeline.bases.save import file_header, file_tensors, save_folder
from pipeline.bases.t5_tokens import T5Tokenizer, t5_tokenizer_of
from pipeline.config.looked_at import looked_at
from pipeline.errors import UserError
from pipeline.schemas import BaseConfig
from pipeline.training.precision import cast
from tests.pipeline.bases.tiny import small_base, small_configs, t5_vocabulary

TEXTS = ["a cat", "girl with red hair, solo", ""]
PREFIX = "text_encoders.t5xxl.transformer."


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parts are published with small widths; the transformer's and T5's follow from their file."""
    made = family("sd3")
    published = {name: made.configs[name] for name in ("transformer", "text_encoder_3")}
    monkeypatch.setitem(made.__dict__, "configs", {**small_configs("sd3"), **published})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_folder(small_base("sd3", with_t5=True), tmp_path / "folder", "fp32", {})
    return tmp_path / "folder"


def plain(path: Path, **changes: object) -> BaseConfig:
    return BaseConfig.plain(str(path), **changes)


def test_the_published_t5_has_the_published_tensors() -> None:
    made = family("sd3")
    model = made.part("text_encoder_3").outline(dict(made.configs["text_encoder_3"]))
    origins = made.origins("text_encoder_3", model.state_dict(), made.configs)
    assert (len(origins), len({origin.key for origin in origins.values()})) == (220, 219)
    assert sum(each.numel() for each in model.parameters()) == 4_762_310_656


def test_ids_are_transformers_own(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(t5_vocabulary())
    theirs = T5TokenizerFast.from_pretrained(tmp_path, eos_token="</s>", pad_token="<pad>")
    for length in (4, 12):
        expected = theirs(
            TEXTS, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        ).input_ids
        assert torch.equal(T5Tokenizer(t5_vocabulary(), length).ids(TEXTS), expected)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda text: text[:-1], "not readable JSON"),
        (lambda text: text.replace("</s>", "<end>"), "lacks </s> or <pad>"),
        (lambda text: text[:-1] + ', "model": {"type": "Unigram"}}', "cannot be read|not readable JSON"),
    ],
)
def test_a_strangers_vocabulary_is_checked(change: object, problem: str) -> None:
    assert callable(change)
    with pytest.raises(UserError, match=problem):
        t5_tokenizer_of(change(t5_vocabulary()), 40, "x")


def test_a_vocabulary_of_another_t5_is_refused() -> None:
    with pytest.raises(UserError, match="has the token 31, T5 has 20 rows"):
        t5_tokenizer_of(t5_vocabulary(), 20, "x")


def test_a_folder_brings_its_t5(folder: Path) -> None:
    base = load_base(plain(folder))
    assert base.t5_tokenizer == T5Tokenizer(t5_vocabulary(), 256)
    expected = small_base("sd3", with_t5=True).part("text_encoder_3").state_dict()
    found = base.part("text_encoder_3").state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    assert json.loads((folder / "model_index.json").read_text())["text_encoder_3"] == [
        "transformers",
        "T5EncoderModel",
    ]


def test_t5_is_left_out_only_where_the_user_says_so(folder: Path) -> None:
    base = load_base(plain(folder, t5="none"))
    assert base.t5_tokenizer is None
    assert [part.name for part in base.parts] == ["transformer", "vae", "text_encoder", "text_encoder_2"]


def test_t5_in_eight_bits_answers_nearly_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each weight is off by at most 0.4 % of its channel's largest."""
    monkeypatch.setattr(eight_bits, "LEAST_WEIGHTS", 1)
    whole, rounded = load_base(plain(folder)), load_base(plain(folder, t5="int8"))
    inner = rounded.part("text_encoder_3").get_submodule("encoder.block.0.layer.1.DenseReluDense.wo")
    assert isinstance(inner, EightBitLinear)
    ids = T5Tokenizer(t5_vocabulary()).ids(["a cat"])
    exact, near = (base.family.encode_further(base, ids) for base in (whole, rounded))
    assert not torch.equal(exact, near)
    assert (exact - near).abs().max() <= 0.05 * exact.abs().max()
    assert not isinstance(rounded.denoiser.proj_out, EightBitLinear)


def test_t5_does_not_overflow_in_fp16(folder: Path) -> None:
    """Its large activations do not fit into fp16, which ends at 65504; bf16 keeps two to three digits."""
    exact, base = load_base(plain(folder)), load_base(plain(folder), torch.float16)
    t5 = base.part("text_encoder_3")
    assert (base.denoiser.dtype, t5.dtype) == (torch.float16, torch.bfloat16)
    for name, weight in [*exact.part("text_encoder_3").named_parameters(), *t5.named_parameters()]:
        if "DenseReluDense" in name:
            weight.mul_(100)
    ids = T5Tokenizer(t5_vocabulary()).ids(["a cat"])
    expected = exact.family.encode_further(exact, ids)
    with torch.autocast("cpu", torch.float16):
        found = base.family.encode_further(base, ids).float()
        overflown = t5.to(torch.float16)(input_ids=ids).last_hidden_state.float()
    assert (found - expected).abs().max() < 0.05 * expected.abs().max()
    assert (overflown - expected).abs().max() > 0.5 * expected.abs().max()
    cast("fp16", [base.denoiser, t5], [])
    assert t5.dtype == torch.bfloat16


def test_a_file_brings_its_t5_and_keeps_every_byte(folder: Path, tmp_path: Path) -> None:
    base = load_base(plain(folder))
    save_file(file_tensors(base, torch.float16), tmp_path / "a.safetensors", file_header(base))
    again = load_base(plain(tmp_path / "a.safetensors", t5_tokens=77))
    assert again.t5_tokenizer == T5Tokenizer(t5_vocabulary(), 77)
    before, after = load_file(tmp_path / "a.safetensors"), file_tensors(again, torch.float32)
    assert f"{PREFIX}shared.weight" in before
    assert f"{PREFIX}encoder.embed_tokens.weight" not in before
    assert before.keys() == after.keys()
    assert all(before[key].dtype == after[key].dtype for key in before)
    assert all(torch.equal(before[key], after[key]) for key in before)
    table = again.part("text_encoder_3").get_input_embeddings().weight
    assert table is again.part("text_encoder_3").shared.weight


@pytest.mark.usefixtures("narrow")
def test_a_strangers_file_needs_a_vocabulary(folder: Path, tmp_path: Path) -> None:
    """Its T5's widths follow from its shapes."""
    base = load_base(plain(folder))
    path = tmp_path / "a.safetensors"
    save_file(file_tensors(base, torch.float32), path)
    with pytest.raises(UserError, match=r"no vocabulary of it.*base\.t5_tokenizer.*or set base\.t5 to none"):
        load_base(plain(path))
    found = load_base(plain(path, t5_tokenizer=str(folder / "tokenizer_3")))
    assert found.t5_tokenizer == base.t5_tokenizer
    assert found.configs["text_encoder_3"]["num_layers"] == 2
    ids = T5Tokenizer(t5_vocabulary()).ids(["a cat"])
    assert torch.equal(found.family.encode_further(found, ids), base.family.encode_further(base, ids))
    without = load_base(plain(path, t5="none"))
    assert f"{PREFIX}shared.weight" in file_tensors(without, torch.float32)


def test_diffusers_loads_the_folder_and_encodes_the_same(folder: Path) -> None:
    pipe = StableDiffusion3Pipeline.from_pretrained(folder)
    base = load_base(plain(folder, t5_tokens=77))
    assert base.t5_tokenizer is not None
    for text in TEXTS:
        tokens, _, _, _ = pipe.encode_prompt(
            text, text, text, do_classifier_free_guidance=False, max_sequence_length=77
        )
        further = base.family.encode_further(base, base.t5_tokenizer.ids([text]))
        assert torch.allclose(further, tokens[:, 77:], atol=1e-6)


def separate(base: Base, folder: Path) -> Path:
    """As SD 3.5 is published: a checkpoint without text encoders, and these in files of their own."""
    tensors = file_tensors(base, torch.float16)
    kept = {key: value for key, value in tensors.items() if not key.startswith("text_encoders.")}
    (folder / "text_encoders").mkdir()
    for name, file in (("clip_l", "clip_l"), ("clip_g", "clip_g"), ("t5xxl", "t5xxl_fp16")):
        prefix = f"text_encoders.{name}.transformer."
        own = {key.removeprefix(prefix): each for key, each in tensors.items() if key.startswith(prefix)}
        save_file(own, folder / "text_encoders" / f"{file}.safetensors")
    save_file(kept, folder / "sd3.5_medium.safetensors")
    return folder / "sd3.5_medium.safetensors"


@pytest.mark.usefixtures("narrow")
def test_text_encoders_in_files_of_their_own_belong_to_the_checkpoint(tmp_path: Path) -> None:
    base = small_base("sd3", with_t5=True)
    path = separate(base, tmp_path)
    (tmp_path / "tokenizer.json").write_text(t5_vocabulary())
    found = load_base(plain(path, t5_tokenizer=str(tmp_path)))
    expected = file_tensors(base, torch.float16)
    tensors = file_tensors(found, torch.float32)
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensors[key], expected[key]) for key in expected)
    (tmp_path / "text_encoders" / "clip_g.safetensors").unlink()
    with pytest.raises(UserError, match="has no second text encoder"):
        load_base(plain(path, t5="none"))


@pytest.mark.usefixtures("narrow")
def test_the_doctor_and_the_hash_know_files_of_text_encoders(tmp_path: Path) -> None:
    path = separate(small_base("sd3", with_t5=True), tmp_path)
    parts = "transformer, VAE, first text encoder, second text encoder, T5"
    assert examined(path)["parts"] == parts
    digest = encoders_sha256(path)
    assert digest is not None
    save_file({"x": torch.ones(1)}, tmp_path / "text_encoders" / "another.safetensors")
    assert encoders_sha256(path) == digest
    (tmp_path / "text_encoders" / "t5xxl_fp16.safetensors").unlink()
    other = encoders_sha256(path)
    assert other not in (None, digest)
    problems: list[str] = []
    base = {**plain(path).model_dump(), "family": None}
    assert looked_at(base, problems)["text_encoders_sha256"] == other
    looked_at({**base, "text_encoders_sha256": digest}, problems)
    assert [problem.split(",")[0] for problem in problems] == [f"base.text_encoders_sha256 is {digest}"]
    with pytest.raises(UserError, match="have changed since"):
        load_base(plain(path, text_encoders_sha256=digest))
