"""Files of Stable Diffusion 3 that are damaged, hostile or put together from others: one sentence names the
file, what is wrong, and the cure, and nothing large is built first.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from pipeline.bases.load import load_base
from pipeline.bases.look import recognise
from pipeline.bases.registry import family
from pipeline.bases.save import file_tensors, save_folder
from pipeline.config.looked_at import looked_at
from pipeline.errors import UserError
from pipeline.schemas import BaseConfig
from tests.pipeline.bases.tiny import small_base, small_configs, t5_vocabulary

M, T5 = "model.diffusion_model.", "text_encoders.t5xxl.transformer."
FIRST_T5 = f"{T5}encoder.block.0.layer.0.SelfAttention."
Tensors = dict[str, Tensor]
TRANSFORMER_FILE = "diffusion_pytorch_model.safetensors"


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text encoders and the VAE are published with small widths; other parts follow from their shapes."""
    made = family("sd3")
    own = {**small_configs("sd3", with_t5=True), "transformer": made.configs["transformer"]}
    monkeypatch.setitem(made.__dict__, "configs", own)


def tensors() -> Tensors:
    return file_tensors(small_base("sd3", with_t5=True), torch.float16)


def loaded(path: Path, t5: str = "own") -> None:
    """Loads every part."""
    tokenizer = path.parent / "tokenizer_3"
    tokenizer.mkdir(exist_ok=True)
    (tokenizer / "tokenizer.json").write_text(t5_vocabulary())
    base = load_base(BaseConfig.plain(str(path), t5=t5, t5_tokenizer=str(tokenizer)))
    for part in base.parts:
        base.part(part.name)


def of(shape: tuple[int, ...]) -> Tensor:
    return torch.zeros(shape, dtype=torch.float16)


def without(name: str) -> Callable[[Tensors], object]:
    return lambda own: own.pop(name)


def setting(**changes: tuple[int, ...]) -> Callable[[Tensors], object]:
    return lambda own: own.update({name: of(shape) for name, shape in changes.items()})


def changed(name: str, shape: tuple[int, ...]) -> Callable[[Tensors], object]:
    return setting(**{name: shape})


CASES: dict[str, tuple[Callable[[Tensors], object], str]] = {
    "a block far away": (
        changed(f"{M}joint_blocks.999.context_block.attn.qkv.weight", (0,)),
        "transformer.num_layers: 1000 is not allowed",
    ),
    "positions without numbers": (
        changed(f"{M}pos_embed", (1, 36_000_000, 0)),
        "_max_size: 6000 is not",
    ),
    "no positions": (without(f"{M}pos_embed"), r"missing \(model.diffusion_model.pos_embed"),
    "a vector for the first layer": (changed(f"{M}x_embedder.proj.weight", (16,)), r"has the shape"),
    "a number for a norm": (
        changed(f"{M}joint_blocks.0.x_block.attn.ln_q.weight", ()),
        r"joint_blocks.0.x_block.attn.ln_q.weight has the shape \(\)",
    ),
    "a norm in later blocks alone": (
        without(f"{M}joint_blocks.0.x_block.attn.ln_q.weight"),
        "joint_blocks.0.x_block.attn.ln_q.weight",
    ),
    "a second attention far away": (
        changed(f"{M}joint_blocks.777.x_block.attn2.qkv.weight", (0,)),
        "transformer.dual_attention_layers.2: 777 is not allowed",
    ),
    "a turned matrix": (
        changed(f"{M}joint_blocks.1.x_block.mlp.fc1.weight", (16, 64)),
        r"joint_blocks.1.x_block.mlp.fc1.weight has the shape \(16, 64\), Stable Diffusion 3 has \(64, 16\)",
    ),
    "turned queries": (
        changed(f"{M}joint_blocks.1.x_block.attn.qkv.weight", (16, 48)),
        r"joint_blocks.1.x_block.attn.qkv.weight has the shape \(16, 48\)",
    ),
    "no exchanged norm": (
        without(f"{M}final_layer.adaLN_modulation.1.weight"),
        "1 weights of the transformer are missing",
    ),
    "T5 of many layers": (
        changed(f"{T5}encoder.block.700.layer.0.x", (0,)),
        "num_layers: 701 is not",
    ),
    "T5 of another width": (
        setting(**{f"{T5}shared.weight": (40, 24), f"{FIRST_T5}q.weight": (32, 24)}),
        "T5 gives tokens 24 wide, the transformer reads 48; put the part that belongs to it there",
    ),
    "T5 without a table": (without(f"{T5}shared.weight"), "T5 gives tokens|shared.weight"),
    "another family's layers": (
        changed(f"{M}input_blocks.0.0.weight", (8, 4, 3, 3)),
        "is a mix of checkpoints of several families",
    ),
    "a VAE of 4 channels": (
        changed("first_stage_model.encoder.conv_out.weight", (8, 8, 3, 3)),
        r"encoder.conv_out.weight has the shape \(8, 8, 3, 3\)",
    ),
    "a transformer of 4 channels": (
        changed(f"{M}x_embedder.proj.weight", (16, 4, 2, 2)),
        "its VAE has 16 channels, the transformer 4",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_damaged_file_is_refused(name: str, tmp_path: Path) -> None:
    change, reason = CASES[name]
    own = tensors()
    change(own)
    path = tmp_path / "sd3.safetensors"
    save_file(own, path)
    with pytest.raises(UserError, match=reason) as failure:
        loaded(path)
    assert all("sd3.safetensors" in problem for problem in failure.value.problems)


@pytest.mark.parametrize("number", ["99999999", "9" * 5000])
def test_numbers_of_no_block_are_another_tools_own(number: str, tmp_path: Path) -> None:
    own = tensors()
    own[f"{M}joint_blocks.{number}.x"] = own[f"{T5}encoder.block.{number}.layer.0.x"] = of((0,))
    save_file({key: each.clone() for key, each in own.items()}, tmp_path / "sd3.safetensors")
    loaded(tmp_path / "sd3.safetensors")


@pytest.fixture
def apart(tmp_path: Path) -> Path:
    """A checkpoint with its text encoders in a folder."""
    folder = tmp_path / "text_encoders"
    folder.mkdir()
    whole = tensors()
    for name in ("clip_l", "clip_g", "t5xxl"):
        prefix = f"text_encoders.{name}.transformer."
        own = {key.removeprefix(prefix): each for key, each in whole.items() if key.startswith(prefix)}
        save_file(own, folder / f"{name}.safetensors")
    left = {key: each for key, each in whole.items() if not key.startswith("text_encoders.")}
    save_file(left, tmp_path / "sd3.safetensors")
    return tmp_path / "sd3.safetensors"


@pytest.mark.parametrize(
    ("name", "by", "reason"),
    [
        ("t5xxl", "clip_l", r"t5xxl.safetensors: \d+ weights of the third text encoder \(T5\) are missing"),
        ("clip_l", "t5xxl", r"clip_l.safetensors: \d+ weights of the first text encoder are missing"),
        ("clip_l", "clip_g", r"clip_l.safetensors: text_encoders.clip_l\S+ has the shape"),
    ],
)
def test_a_wrong_text_encoder_is_named_by_its_file(name: str, by: str, reason: str, apart: Path) -> None:
    folder = apart.parent / "text_encoders"
    (folder / f"{name}.safetensors").write_bytes((folder / f"{by}.safetensors").read_bytes())
    with pytest.raises(UserError, match=rf"{folder}/{reason}"):
        loaded(apart)


def test_a_text_encoder_in_scaled_fp8_is_named_by_its_file(apart: Path) -> None:
    path = apart.parent / "text_encoders" / "t5xxl.safetensors"
    save_file({**load_file(path), "scaled_fp8": of((0,))}, path)
    for look in (recognise, loaded):
        with pytest.raises(UserError, match=rf"{path} is in scaled fp8, only for drawing; put one in fp16"):
            look(apart)


def test_what_lacks_a_text_encoder_says_where_to_put_it(apart: Path) -> None:
    (apart.parent / "text_encoders" / "clip_g.safetensors").unlink()
    files = "clip_l.safetensors and clip_g.safetensors"
    cure = f"choose a whole checkpoint, or put {files} into a folder text_encoders"
    problems: list[str] = []
    looked_at({"path": str(apart), "family": None, "vae": None, "prediction_type": None}, problems)
    assert [cure in problem for problem in problems] == [True]
    with pytest.raises(UserError, match=cure):
        loaded(apart)
    (apart.parent / "text_encoders" / "clip_l.safetensors").unlink()
    with pytest.raises(UserError, match=f"a transformer without a text encoder; .*{cure}"):
        loaded(apart)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A diffusers folder."""
    save_folder(small_base("sd3", with_t5=True), tmp_path / "folder", "fp32", {})
    return tmp_path / "folder"


def read_whole(folder: Path) -> None:
    base = load_base(BaseConfig.plain(str(folder)))
    for part in base.parts:
        base.part(part.name)


def test_a_folder_with_another_models_weights_is_refused(folder: Path) -> None:
    """diffusers would draw them at random, and only log it."""
    shutil.copy(folder / "text_encoder/model.safetensors", folder / "transformer" / TRANSFORMER_FILE)
    with pytest.raises(
        UserError, match=r"weights of the transformer are missing .*another model, or damaged"
    ):
        read_whole(folder)


@pytest.mark.parametrize(
    ("part", "changes", "reason"),
    [
        ("transformer", {"num_layers": 10**9}, "transformer.num_layers: 1000000000 is not allowed"),
        (
            "transformer",
            {"joint_attention_dim": 32},
            "CLIP gives tokens 40 wide, the transformer reads at most 32",
        ),
        ("text_encoder_3", {"d_model": 24}, "T5 gives tokens 24 wide, the transformer reads 48"),
        ("transformer", None, "the config.json of its denoiser is no mapping"),
    ],
)
def test_a_folder_with_odd_configurations_is_refused(
    part: str, changes: dict[str, int] | None, reason: str, folder: Path
) -> None:
    path = folder / part / "config.json"
    own = [] if changes is None else json.loads(path.read_text()) | changes
    path.write_text(json.dumps(own))
    with pytest.raises(UserError, match=reason):
        read_whole(folder)
