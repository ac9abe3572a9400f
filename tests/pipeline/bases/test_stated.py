"""A base comes from a stranger: nothing outside is written, nothing huge is built, nothing foreign is run."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from pipeline.bases.load import load_base
from pipeline.bases.save import file_header, file_tensors, save_folder
from pipeline.bases.stated import BASE_KEY, checked, stated, tokenizer_texts
from pipeline.bases.tokenizers import make_tokenizer
from pipeline.errors import UserError
from pipeline.files.safetensors_file import write_safetensors
from pipeline.merging.build import run_recipe
from pipeline.merging.folder import run_recipe_to_folder
from pipeline.schemas.recipe import Recipe
from tests.pipeline.bases.random_sd1 import random_base, small_configs
from tests.pipeline.bases.test_load import config

PAYLOAD = "import os  # a stranger's code\n"
BASE = random_base()
OWN = json.loads(file_header(BASE)[BASE_KEY])
TENSORS = file_tensors(BASE, torch.float16)


def names(outside: Path) -> list[str]:
    """20 ways out of a temporary folder, or to a file of the project."""
    target = str(outside / "evil.py")
    return [
        target, f"/{target}", f"//{target}", f"./{target}", f"..{target}", f"../../../..{target}",
        f"a/../../../../..{target}", f"../../../../../../../..{target}", "../evil.py", "../../evil.py",
        "..", ".", "", "a/b/evil.py", "evil.py", "stages/__init__.py", "..\\..\\evil.py", "C:\\evil.py",
        "vocab.json/../../evil.py", "../\x00evil.py",
    ]  # fmt: skip


def base_file(path: Path, **own: Any) -> Path:
    write_safetensors(path, TENSORS, {BASE_KEY: json.dumps({**OWN, **own})})
    return path


def everything(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    more = dict.fromkeys(names(tmp_path / "outside"), PAYLOAD)
    assert len(more) == 20
    (tmp_path / "outside").mkdir()
    return base_file(tmp_path / "base.safetensors", tokenizer={**OWN["tokenizer"], **more})


def test_a_strangers_base_writes_no_file(
    hostile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All 20 names in one header: it opens with its two files, and says that there are others."""
    temporary = tmp_path / "a" / "b" / "temporary"
    temporary.mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    before = everything(tmp_path)
    loaded = load_base(config(hostile))
    assert loaded.tokenizer("a cat").input_ids == BASE.tokenizer("a cat").input_ids
    assert everything(tmp_path) == before
    assert "which is not a file of a tokenizer" in capsys.readouterr().err


@pytest.mark.parametrize("number", range(20))
def test_each_way_out_alone_writes_no_file(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "a" / "b" / "temporary"
    temporary.mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    before = everything(tmp_path)
    make_tokenizer({**OWN["tokenizer"], names(tmp_path / "outside")[number]: PAYLOAD})
    assert everything(tmp_path) == before


def test_a_merge_does_not_carry_a_payload_on(hostile: Path, tmp_path: Path) -> None:
    recipe = Recipe.model_validate({
        "inputs": {"a": str(hostile), "b": str(hostile)},
        "merge": {"method": "weighted_sum", "a": "a", "b": "b", "alpha": 0.5},
    })  # fmt: skip
    run_recipe(recipe, tmp_path / "merged.safetensors")
    run_recipe_to_folder(recipe, tmp_path / "merged")
    with safe_open(tmp_path / "merged.safetensors", "pt") as file:
        assert json.loads(file.metadata()[BASE_KEY]) == OWN
    kept = sorted(path.name for path in (tmp_path / "merged/tokenizer").iterdir())
    assert kept == ["merges.txt", "tokenizer.json", "tokenizer_config.json", "vocab.json"]
    assert not [path for path in everything(tmp_path) if "evil" in path]


@pytest.mark.parametrize(
    ("part", "entry", "value"),
    [
        ("unet", "block_out_channels", [8, 16, 16, 1 << 40]),
        ("unet", "block_out_channels", "8"),
        ("unet", "block_out_channels", []),
        ("unet", "layers_per_block", 10**9),
        ("unet", "layers_per_block", -1),
        ("unet", "norm_num_groups", 0),
        ("unet", "norm_num_groups", 3),
        ("unet", "down_block_types", ["os.system"] * 4),
        ("unet", "_class_name", "os.system"),
        ("unet", "cross_attention_dim", True),
        ("vae", "scaling_factor", -0.18),
        ("vae", "latent_channels", {}),
        ("text_encoder", "num_hidden_layers", 10**9),
        ("text_encoder", "num_attention_heads", 3),
        ("text_encoder", "vocab_size", 10**12),
        ("text_encoder", "vocab_size", 100),
        ("text_encoder", "attn_implementation", "stranger/kernel"),
        ("text_encoder", "auto_map", {"AutoModel": "stranger/code--model.Evil"}),
        ("text_encoder", "quantization_config", {"quant_method": "x"}),
        ("text_encoder", "hidden_act", "nothing"),
        ("scheduler", "num_train_timesteps", 10**12),
        ("scheduler", "beta_end", 0),
        ("scheduler", "prediction_type", "x"),
        ("scheduler", "anything", "x" * 10_000),
    ],
)
def test_configurations_are_checked_before_anything_is_built(
    part: str, entry: str, value: Any, tmp_path: Path
) -> None:
    configs = {**OWN["configs"], part: {**OWN["configs"][part], entry: value}}
    path = base_file(tmp_path / "base.safetensors", configs=configs)
    with pytest.raises(UserError, match=r"base\.safetensors") as error:
        load_base(config(path))
    assert len(str(error.value)) < 2000


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", '"x"', "null", "[" * 100_000, '{"configs": ' * 50_000, '{"configs": []}',
        '{"configs": {"unet": {}}}', '{"configs": {"unet": 1}}', '{"configs": {"unet": {"norm_eps": NaN}}}',
        '{"tokenizer": []}', '{"tokenizer": {}}', '{"tokenizer": {"vocab.json": {}, "merges.txt": "a"}}',
        '{"tokenizer": {"vocab.json": "[]", "merges.txt": "a"}}',
        '{"tokenizer": {"vocab.json": "{\\"a\\": 1e99}", "merges.txt": "a"}}',
        '{"tokenizer": {"vocab.json": "{\\"a\\": 0, \\"b\\": 0}", "merges.txt": "a"}}',
        '{"tokenizer": {"vocab.json": "{\\"a\\": 0}", "merges.txt": "#version\\na a"}}',
        '{"tokenizer": {"vocab.json": "{\\"a\\": 0, \\"a\\": 1}", "merges.txt": "x"}}',
    ],
)  # fmt: skip
def test_headers_that_are_none_are_sentences(text: str) -> None:
    with pytest.raises(UserError, match=r"^x\.safetensors"):
        stated(text, "x.safetensors")


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "scheduler"])
def test_a_missing_part_is_a_sentence(part: str, tmp_path: Path) -> None:
    configs = {name: values for name, values in OWN["configs"].items() if name != part}
    with pytest.raises(UserError, match=f"lack {part}"):
        load_base(config(base_file(tmp_path / "x.safetensors", configs=configs)))


def test_what_our_own_files_state_passes_as_it_is() -> None:
    assert stated(json.dumps(OWN), "x") == OWN
    assert stated(None, "x") == {}
    assert tokenizer_texts(OWN["tokenizer"], "x") == OWN["tokenizer"]


@pytest.mark.parametrize("part", ["unet", "text_encoder", "vae", "scheduler"])
def test_a_folders_configurations_are_checked_too(part: str, tmp_path: Path) -> None:
    """The brother of a header: a folder is as much a stranger's."""
    save_folder(BASE, tmp_path / "base", "fp16", {})
    name = "scheduler_config.json" if part == "scheduler" else "config.json"
    path = tmp_path / "base" / part / name
    entry = {"unet": "norm_num_groups", "vae": "layers_per_block", "text_encoder": "num_hidden_layers"}
    values = json.loads(path.read_text()) | {entry.get(part, "num_train_timesteps"): 10**9}
    path.write_text(json.dumps(values))
    with pytest.raises(UserError, match="1000000000 is not allowed"):
        load_base(config(tmp_path / "base"))


def test_older_configurations_pass() -> None:
    """Entries that tools of other years wrote beside those that are known here."""
    old = {"dropout": 0.0, "torch_dtype": "float16", "top_k": 50, "id2label": {"0": "LABEL_0"}}
    text = {**small_configs()["text_encoder"], **old, "_attn_implementation": "sdpa"}
    assert checked("text_encoder", text, "x") == text
    xl = {"attention_head_dim": [5, 10, 20], "transformer_layers_per_block": [1, 2, 10], "norm_eps": 1e-5}
    unet = {
        **small_configs()["unet"],
        **xl,
        "addition_embed_type": "text_time",
        "only_cross_attention": False,
    }
    assert checked("unet", unet, "x") == unet


@pytest.mark.parametrize(
    ("part", "entry"),
    [
        ("text_encoder", {"num_labels": 1 << 33}),
        ("unet", {"layers_per_block": 64}),
        ("unet", {"transformer_layers_per_block": [1, 2, 1000, 1]}),
    ],
)
def test_what_a_library_would_build_by_is_bounded(part: str, entry: dict[str, object]) -> None:
    """transformers makes a table of `num_labels` rows, diffusers as many layers as it is told."""
    with pytest.raises(UserError, match=next(iter(entry))):
        checked(part, {**BASE.configs[part], **entry}, "a base")
