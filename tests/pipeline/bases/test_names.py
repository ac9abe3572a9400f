"""Names and shapes of the published networks against diffusers' own (shapes.json.gz), and their counts."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from pipeline.bases import unet_names, vae_names
from pipeline.bases.clip_names import OpenClipNames, transformers_name
from pipeline.bases.origins import Held, Origin, TensorForm
from pipeline.bases.registry import families, family
from pipeline.bases.unet_blocks import block_names, block_of

SHAPES: dict[str, dict[str, list[int]]] = json.loads(
    gzip.decompress((Path(__file__).parent / "shapes.json.gz").read_bytes())
)
ATTENTION = {
    "sd15": (False, True, True, True),
    "sd2": (False, True, True, True),
    "sdxl": (True, True, False),
    "refiner": (False, True, True, False),
}
"""Of the way up."""
COUNTS = {
    ("sd1", "unet"): (686, 686, 859_520_964),
    ("sd1", "vae"): (248, 248, 83_653_863),
    ("sd1", "text_encoder"): (196, 196, 123_060_480),
    ("sd2", "unet"): (686, 686, 865_910_724),
    ("sd2", "vae"): (248, 248, 83_653_863),
    ("sd2", "text_encoder"): (372, 23 * 12 + 4, 340_387_840),
    ("sdxl", "unet"): (1680, 1680, 2_567_463_684),
    ("sdxl", "vae"): (248, 248, 83_653_863),
    ("sdxl", "text_encoder"): (196, 196, 123_060_480),
    ("sdxl", "text_encoder_2"): (517, 32 * 12 + 5, 694_659_840),
}
"""Tensors of the model, tensors of the single file, parameters."""
FIXTURE = {"sd1": "sd15", "sd2": "sd2", "sdxl": "sdxl"}


@pytest.mark.parametrize("network", ATTENTION)
def test_each_name_of_a_unet_goes_there_and_back(network: str) -> None:
    names = list(SHAPES[network])
    theirs = [unet_names.ldm_name(name, ATTENTION[network]) for name in names]
    assert len(set(theirs)) == len(names)
    assert [unet_names.diffusers_name(name) for name in theirs] == names


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (
            "down_blocks.1.attentions.0.transformer_blocks.1.attn2.to_k.weight",
            "input_blocks.4.1.transformer_blocks.1.attn2.to_k.weight",
        ),
        ("down_blocks.2.resnets.0.conv_shortcut.weight", "input_blocks.7.0.skip_connection.weight"),
        ("up_blocks.0.upsamplers.0.conv.bias", "output_blocks.2.2.conv.bias"),
        ("up_blocks.2.resnets.2.norm1.weight", "output_blocks.8.0.in_layers.0.weight"),
        ("down_blocks.0.downsamplers.0.conv", "input_blocks.3.0.op"),
        ("add_embedding.linear_2", "label_emb.0.2"),
    ],
)
def test_names_of_sdxl(ours: str, theirs: str) -> None:
    assert unet_names.ldm_name(ours, ATTENTION["sdxl"]) == theirs
    assert unet_names.diffusers_name(theirs) == ours


def test_tensors_of_sdxl_by_block() -> None:
    names = (unet_names.ldm_name(name, ATTENTION["sdxl"]) for name in SHAPES["sdxl"])
    found = Counter(block_of(name, block_names(9)) for name in names)
    ways = {"IN": [10, 10, 10, 2, 58, 56, 2, 218, 216], "OUT": [218, 218, 220, 58, 58, 60, 12, 12, 16]}
    assert found == {"M00": 226} | {
        f"{way}{n:02}": count for way in ways for n, count in enumerate(ways[way])
    }


def test_every_part_has_a_case() -> None:
    parts = {(name, part.name) for name in families() for part in family(name).parts}
    assert parts >= COUNTS.keys()


@pytest.mark.parametrize(("name", "part"), COUNTS)
def test_the_published_parts_have_the_published_tensors(name: str, part: str) -> None:
    made = family(name)
    model = made.part(part).outline(dict(made.configs[part]))
    tensors = model.state_dict()
    keys = {origin.key for origin in made.origins(part, tensors, made.configs).values()}
    assert (len(tensors), len(keys)) == COUNTS[name, part][:2]
    assert sum(each.numel() for each in model.parameters()) == COUNTS[name, part][2]
    if part == "unet":
        assert {key: list(tensor.shape) for key, tensor in tensors.items()} == SHAPES[FIXTURE[name]]


def test_openclip_keeps_three_tensors_in_one_and_turns_the_projection() -> None:
    layer = "text_model.encoder.layers.3.self_attn.k_proj.bias"
    assert OpenClipNames("p.").origin(layer) == Origin("p.transformer.resblocks.3.attn.in_proj_bias", 1, 3)
    assert OpenClipNames("p.").origin("text_projection.weight") == Origin(
        "p.text_projection", form=TensorForm.TRANSPOSED
    )


def test_names_of_a_vae_alone_are_those_of_a_whole_checkpoint() -> None:
    whole = "first_stage_model.decoder.up.3.block.1.conv1.weight"
    for alone in (
        "decoder.up_blocks.0.resnets.1.conv1.weight",
        "decoder.up.3.block.1.conv1.weight",
        "vae.decoder.up.3.block.1.conv1.weight",
        whole,
    ):
        assert vae_names.whole_checkpoint_name(alone) == whole


@pytest.mark.parametrize(("name", "part"), [case for case in COUNTS if case[1] != "vae"])
def test_each_tensor_of_a_part_goes_to_the_single_file_and_back(name: str, part: str) -> None:
    made = family(name)
    names = made.part(part).outline(made.configs[part]).state_dict()
    origins = made.origins(part, names, made.configs)
    for key, origin in origins.items():
        back = [held for owner, held in made.held(origin.key) if owner == part]
        ours = key if part == "unet" else transformers_name(key)
        assert Held(ours, origin.piece, origin.pieces) in back
        assert len(back) == origin.pieces
