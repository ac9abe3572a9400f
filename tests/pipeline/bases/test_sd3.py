"""Stable Diffusion 3 and 3.5: names, shapes, members, and the same base from a file and a folder."""

from pathlib import Path

import pytest
import torch
from diffusers import SD3Transformer2DModel
from diffusers.loaders.single_file_utils import convert_sd3_transformer_checkpoint_to_diffusers
from safetensors.torch import load_file, save_file

from pipeline.bases.base import Base
from pipeline.bases.layers import main_layers, text_layers
from pipeline.bases.load import load_base
from pipeline.bases.look import recognise
from pipeline.bases.mmdit_blocks import BLOCKS, block_of_name
from pipeline.bases.mmdit_names import held_weights, weight_origin
from pipeline.bases.origins import Held, file_shape
from pipeline.bases.registry import family
from pipeline.bases.save import file_tensors, save_folder
from pipeline.bases.stored_base import stored_base
from pipeline.bases.tokenizers import make_tokenizer
from pipeline.errors import UserError
from pipeline.schemas import BaseConfig
from tests.pipeline.bases.published import DIFFUSERS, Shapes, hollow, part_shapes
from tests.pipeline.bases.tiny import random_parts, small_base, small_configs

PREFIX = "model.diffusion_model."
MEMBERS = {
    "sd3m": (491, 24, 192, None, [], 2_084_951_104),
    "sd35m": (665, 24, 384, "rms_norm", list(range(13)), 2_469_663_936),
    "sd35l": (923, 38, 192, "rms_norm", [], 8_146_280_768),
}
"""Tensors in the original layout, blocks, positions a side, norm, blocks with a second attention, numbers."""


def original(member: str) -> Shapes:
    """The published MMDiT's tensors by their names in a single file."""
    layers, found = MEMBERS[member][1], dict[str, tuple[int, ...]]()
    for name, shape in DIFFUSERS[member].items():
        origin = weight_origin(name, layers)
        found[origin.key] = file_shape(origin, tuple(shape))
    return found


@pytest.mark.parametrize("member", MEMBERS)
def test_each_name_goes_there_and_back(member: str) -> None:
    places = {name: weight_origin(name, MEMBERS[member][1]) for name in DIFFUSERS[member]}
    keys = {origin.key for origin in places.values()}
    assert len(keys) == MEMBERS[member][0]
    for name, origin in places.items():
        held = held_weights(origin.key.removeprefix(PREFIX))
        assert Held(name, origin.piece, origin.pieces) in held
        assert len(held) == origin.pieces


@pytest.mark.parametrize("member", MEMBERS)
def test_a_published_file_gives_the_published_configuration(member: str) -> None:
    """Its model has exactly diffusers' names and shapes."""
    _, layers, positions, norm, dual, numbers = MEMBERS[member]
    made = family("sd3")
    config = made.configs_of(original(member))["transformer"]
    assert (config["num_layers"], config["num_attention_heads"], config["attention_head_dim"]) == (
        layers,
        layers,
        64,
    )
    assert (config["pos_embed_max_size"], config["qk_norm"], config["dual_attention_layers"]) == (
        positions,
        norm,
        dual,
    )
    model = made.denoiser.outline(config)
    assert {name: list(tensor.shape) for name, tensor in model.state_dict().items()} == DIFFUSERS[member]
    assert sum(tensor.numel() for tensor in model.state_dict().values()) == numbers


def test_the_published_parts_have_the_published_tensors() -> None:
    found = {part: len(part_shapes("sd3", part)) for part in ("vae", "text_encoder", "text_encoder_2")}
    assert found == {"vae": 244, "text_encoder": 197, "text_encoder_2": 517}
    vae = family("sd3").part("vae").outline(dict(family("sd3").configs["vae"]))
    assert sum(tensor.numel() for tensor in vae.parameters()) == 83_819_683


def test_blocks() -> None:
    assert len(BLOCKS) == 40
    assert block_of_name("joint_blocks.7.context_block.attn.qkv.weight") == "J07"
    assert block_of_name("transformer_blocks_37_ff_net_2") == "J37"
    assert block_of_name("final_layer.linear.bias") == block_of_name("norm_out.linear") == "OUT00"
    assert block_of_name("x_embedder.proj.weight") == block_of_name("context_embedder") == "IN00"


@pytest.mark.parametrize("member", MEMBERS)
def test_a_whole_file_is_recognised(member: str, tmp_path: Path) -> None:
    shapes = original(member) | part_shapes("sd3", "vae")
    found = recognise(hollow(tmp_path / "a.safetensors", shapes))
    assert found is not None
    assert (found.title, found.trainable, found.prediction) == ("Stable Diffusion 3", True, None)
    assert found.missing == ("first text encoder", "second text encoder")
    texts = part_shapes("sd3", "text_encoder") | part_shapes("sd3", "text_encoder_2")
    whole = recognise(hollow(tmp_path / "b.safetensors", shapes | texts))
    assert whole is not None
    assert whole.missing == ()


def test_a_transformer_alone_is_recognised(tmp_path: Path) -> None:
    alone = {name.removeprefix(PREFIX): shape for name, shape in original("sd35m").items()}
    found = recognise(hollow(tmp_path / "a.safetensors", alone))
    assert found is not None
    assert found.title == "a transformer without its prefix alone"
    assert found.facts is family("sd3").facts
    assert not found.trainable
    theirs = {name: tuple(shape) for name, shape in DIFFUSERS["sd35m"].items()}
    found = recognise(hollow(tmp_path / "b.safetensors", theirs))
    assert found is not None
    assert found.title == "a transformer in diffusers' layout alone"


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other parts are published with small widths; the transformer's follow from its file."""
    made = family("sd3")
    own = {**small_configs("sd3", with_t5=True), "transformer": made.configs["transformer"]}
    monkeypatch.setitem(made.__dict__, "configs", own)


def written(base: Base, path: Path, dtype: torch.dtype = torch.float16) -> Path:
    """A file as other tools write it: without configurations."""
    others = {
        "text_encoders.clip_g.logit_scale": torch.tensor(4.6),
        "text_encoders.t5xxl.transformer.shared.weight": torch.ones(3, 2),
    }
    save_file({**file_tensors(base, dtype), **others}, path)
    return path


@pytest.mark.usefixtures("narrow")
def test_a_file_is_loaded_by_its_shapes_and_saved_to_the_same_bytes(tmp_path: Path) -> None:
    base = small_base("sd3")
    path = written(base, tmp_path / "a.safetensors")
    found = load_base(BaseConfig.plain(str(path), t5="none"))
    for part, module in base.loaded().items():
        theirs = found.part(part).state_dict()
        for key, value in module.state_dict().items():
            assert key.endswith("position_ids") or torch.equal(theirs[key], value.half().float())
    before, after = load_file(path), file_tensors(found, torch.bfloat16)
    assert before.keys() == after.keys()
    assert all(before[key].dtype == after[key].dtype for key in before)
    assert all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.usefixtures("narrow")
def test_a_file_is_read_as_diffusers_reads_it(tmp_path: Path) -> None:
    """The model with diffusers' own conversion of the file answers the same, bit for bit."""
    base = small_base("sd3")
    path = written(base, tmp_path / "a.safetensors", torch.float32)
    own = {key: value for key, value in load_file(path).items() if key.startswith(PREFIX)}
    model = SD3Transformer2DModel.from_config(base.configs["transformer"])
    model.load_state_dict(convert_sd3_transformer_checkpoint_to_diffusers(dict(own)))
    generator = torch.Generator().manual_seed(1)
    inputs = {
        "hidden_states": torch.randn(2, 16, 8, 8, generator=generator),
        "encoder_hidden_states": torch.randn(2, 5, 48, generator=generator),
        "pooled_projections": torch.randn(2, 40, generator=generator),
        "timestep": torch.tensor([100.0, 900.0]),
    }
    found = load_base(BaseConfig.plain(str(path), t5="none")).denoiser
    with torch.no_grad():
        assert torch.equal(found(**inputs).sample, model(**inputs).sample)
        assert not torch.equal(found(**inputs).sample[0], found(**inputs).sample[1])


def test_a_folder_has_the_same_tensors_as_a_file(tmp_path: Path) -> None:
    base = small_base("sd3")
    save_folder(base, tmp_path / "folder", "fp32", {})
    found = load_base(BaseConfig.plain(str(tmp_path / "folder")))
    assert found.family is base.family
    expected = file_tensors(base, torch.float32)
    stored = stored_base(tmp_path / "folder").tensors
    assert stored.keys() == expected.keys()
    assert all(torch.equal(stored[key].read().reshape(stored[key].shape), expected[key]) for key in expected)
    again = file_tensors(found, torch.float32)
    assert all(torch.equal(again[key], expected[key]) for key in expected)


def test_a_file_without_text_encoders_names_them(tmp_path: Path) -> None:
    path = written(small_base("sd3"), tmp_path / "a.safetensors")
    kept = {key: value for key, value in load_file(path).items() if ".clip_" not in key}
    save_file(kept, tmp_path / "b.safetensors")
    with pytest.raises(UserError, match="is a transformer without a text encoder"):
        load_base(BaseConfig.plain(str(tmp_path / "b.safetensors")))


@pytest.mark.usefixtures("narrow")
def test_a_medium_one_has_no_norms(tmp_path: Path) -> None:
    made, configs = family("sd3"), small_configs("sd3")
    configs["transformer"] |= {"qk_norm": None, "dual_attention_layers": [], "attention_head_dim": 16}
    configs["transformer"] |= {"num_attention_heads": 1}
    base = small_base("sd3")
    medium = Base(made, base.tokenizer, random_parts(made, configs), configs)
    path = written(medium, tmp_path / "a.safetensors")
    found = load_base(BaseConfig.plain(str(path), t5="none"))
    assert found.configs["transformer"]["qk_norm"] is None
    assert found.denoiser.state_dict().keys() == medium.denoiser.state_dict().keys()


@pytest.mark.parametrize(
    ("member", "name"),
    [("sd3m", "3-medium"), ("sd35m", "3-5-medium"), ("sd35l", "3-5-large")],
)
def test_files_name_the_member(member: str, name: str) -> None:
    made = family("sd3")
    configs = made.configs_of(original(member))
    assert made.stamp(configs) == (f"stable-diffusion-{name}", "sd3")
    assert len(made.blocks_of(configs)) == MEMBERS[member][1] + 2


@pytest.mark.parametrize(("member", "layers"), [("sd3m", 333), ("sd35m", 385), ("sd35l", 529)])
def test_a_network_reaches_every_linear_layer_of_the_joint_blocks(member: str, layers: int) -> None:
    """As many as PEFT finds with all linear layers of the blocks, and 72 + 192 of the CLIP encoders."""
    made = family("sd3")
    configs = made.configs_of(original(member))
    parts = {part.name: part.outline(configs[part.name]) for part in made.parts if part.name in configs}
    base = Base(made, make_tokenizer(None), parts, configs)
    assert (len(main_layers(base)), len(text_layers(base))) == (layers, 72 + 192)
