"""LoRA files of Stable Diffusion 3: ours, diffusers', sd-scripts' and ComfyUI's have the same effect."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.training_utils import _collate_lora_metadata
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import Tensor

from pipeline.bases.base import Base
from pipeline.bases.origins import get
from pipeline.bases.save import file_tensors
from pipeline.errors import UserError
from pipeline.files.tensor_file import Stored
from pipeline.merging.__main__ import main as merging
from pipeline.merging.network_changes import NetworkChanges, open_network
from pipeline.networks.base_family import family_of_network
from pipeline.networks.conversion import convert
from pipeline.networks.families import load
from pipeline.networks.file_family import family_of_path
from pipeline.networks.inspection import inspect
from pipeline.networks.network import AdapterNetwork
from pipeline.networks.network_files import grouped, read_weights
from tests.pipeline.bases.tiny import small_base
from tests.pipeline.networks.answers import (
    answers,
    base_of,
    change,
    difference,
    learned,
    pipeline_of,
    with_network,
)

ORDER = 1e-4
"""Sums of float32 in another order."""


def written(network: AdapterNetwork, folder: Path) -> Path:
    path = folder / "net.safetensors"
    save_file(network.file_tensors("fp32"), path)
    return path


def test_diffusers_loads_our_lora_with_the_same_effect(tmp_path: Path) -> None:
    base = small_base("sd3")
    network = learned(base)
    path = convert(written(network, tmp_path), tmp_path / "converted.safetensors", "diffusers")[0]
    pipe = pipeline_of(base, tmp_path / "base")
    pipe.load_lora_weights(tmp_path, weight_name=path.name, adapter_name="net")
    pipe.set_adapters("net", 0.6)
    plain, ours = answers(base), with_network(network, base, 0.6)
    assert change(ours, plain) > 0.01
    assert difference(ours, answers(base_of(pipe, base))) < ORDER


def test_we_load_diffusers_lora_with_the_same_effect(tmp_path: Path) -> None:
    base = small_base("sd3")
    pipe = pipeline_of(base, tmp_path / "base")
    torch.manual_seed(0)
    parts = {part.name: getattr(pipe, part.name) for part in base.family.trained_parts}
    saved: dict[str, Any] = {}
    for part, module in parts.items():
        layers = ["to_q", "add_v_proj", "to_out.0", "norm_out.linear", "ff.net.2"]
        module.add_adapter(
            LoraConfig(
                r=3, lora_alpha=2, target_modules=layers if part == "transformer" else ["v_proj", "fc1"]
            )
        )
        for key, weight in module.named_parameters():
            if "lora_" in key:
                weight.data = 0.5 * torch.randn(weight.shape)
        saved[f"{part}_lora_layers"] = get_peft_model_state_dict(module)
    pipe.save_lora_weights(tmp_path, weight_name="net.safetensors", **saved, **_collate_lora_metadata(parts))
    network = load(tmp_path / "net.safetensors", base)
    assert isinstance(network, AdapterNetwork)
    ours = with_network(network, base)
    assert change(ours, answers(base)) > 0.01
    assert difference(ours, answers(base_of(pipe, base))) < ORDER


def flat(key: str) -> str:
    """sd-scripts' name of a layer of the original layout."""
    return "lora_unet_" + key.removeprefix("model.diffusion_model.").removesuffix(".weight").replace(".", "_")


def merged_by_hand(base: Base, path: Path) -> Base:
    """W + alpha / rank * up @ down on the tensors of the base's single file, by sd-scripts' names."""
    tensors, changes = file_tensors(base, torch.float32), grouped(load_file(path))
    keys = {
        "lora_unet_"
        + key.removeprefix("model.diffusion_model.").removesuffix(".weight").replace(".", "_"): key
        for key in tensors
    }
    for name, own in changes.items():
        if name.startswith("lora_unet_"):
            scale = float(own["alpha"]) / len(own["lora_down.weight"])
            tensors[keys[name]] = (
                tensors[keys[name]] + scale * own["lora_up.weight"] @ own["lora_down.weight"]
            )
    return with_tensors(base, tensors)


def with_tensors(base: Base, tensors: dict[str, torch.Tensor]) -> Base:
    """The base with the transformer of a single file's tensors."""
    model = small_base("sd3").denoiser
    state = model.state_dict()
    origins = base.family.origins("transformer", state, base.configs)
    model.load_state_dict(
        {key: get(origin, tensors[origin.key], state[key].shape) for key, origin in origins.items()}
    )
    parts = {part.name: base.part(part.name) for part in base.parts}
    return Base(base.family, base.tokenizer, {**parts, "transformer": model}, base.configs)


@pytest.fixture
def of_the_transformer(tmp_path: Path) -> Path:
    """Our LoRA of the transformer alone, with every layer of its blocks."""
    made = learned(small_base("sd3")).file_tensors("fp32")
    path = tmp_path / "net.safetensors"
    save_file({key: value for key, value in made.items() if key.startswith("lora_transformer_")}, path)
    return path


def test_sd_scripts_file_changes_the_original_weights_alike(of_the_transformer: Path, tmp_path: Path) -> None:
    base = small_base("sd3")
    theirs = convert(of_the_transformer, tmp_path / "theirs.safetensors", "sd-scripts")[0]
    keys = load_file(theirs)
    fused = "lora_unet_joint_blocks_0_x_block_attn_qkv"
    assert keys[f"{fused}.lora_down.weight"].shape == (6, 16)
    assert keys[f"{fused}.lora_up.weight"].shape == (48, 6)
    assert float(keys[f"{fused}.alpha"]) == 6
    assert all(key.startswith("lora_unet_") for key in keys)
    network = load(of_the_transformer, base)
    assert isinstance(network, AdapterNetwork)
    ours, plain = with_network(network, base), answers(base)
    by_hand = answers(merged_by_hand(base, theirs))
    assert float((ours["sample"] - plain["sample"]).norm() / plain["sample"].norm()) > 0.01
    assert float((ours["sample"] - by_hand["sample"]).norm() / by_hand["sample"].norm()) < ORDER


@pytest.mark.parametrize("start", ["lora_unet_", "diffusion_model."])
def test_the_original_layout_is_read_with_the_same_effect(
    start: str, of_the_transformer: Path, tmp_path: Path
) -> None:
    base = small_base("sd3")
    theirs = load_file(convert(of_the_transformer, tmp_path / "theirs.safetensors", "sd-scripts")[0])
    path = tmp_path / "again.safetensors"
    if start == "diffusion_model.":  # ComfyUI's names have dots
        keys = file_tensors(base, torch.float32)
        names = {flat(key): key.removeprefix("model.").removesuffix(".weight") for key in keys}
        parts = {key: key.partition(".") for key in theirs}
        theirs = {f"{names[parts[key][0]]}.{parts[key][2]}": value for key, value in theirs.items()}
    save_file(theirs, path)
    again, network = load(path, base), load(of_the_transformer, base)
    assert isinstance(again, AdapterNetwork)
    assert isinstance(network, AdapterNetwork)
    assert difference(with_network(again, base), with_network(network, base)) < ORDER
    assert family_of_path(path) == "Stable Diffusion 3"


def test_simpletuners_names_are_read_with_the_same_effect(of_the_transformer: Path, tmp_path: Path) -> None:
    base, path = small_base("sd3"), tmp_path / "lycoris.safetensors"
    own = load_file(of_the_transformer)
    save_file({key.replace("lora_transformer_", "lycoris_"): each for key, each in own.items()}, path)
    again, network = load(path, base), load(of_the_transformer, base)
    assert isinstance(again, AdapterNetwork)
    assert isinstance(network, AdapterNetwork)
    assert difference(with_network(again, base), with_network(network, base)) < ORDER


@pytest.mark.parametrize(
    "name",
    [
        "lora_te3_encoder_block_0_layer_0_SelfAttention_q",
        "text_encoders.t5xxl.transformer.encoder.block.0.layer.0.SelfAttention.q",
    ],
)
def test_a_lora_of_t5_is_refused_as_such(name: str, of_the_transformer: Path, tmp_path: Path) -> None:
    theirs = load_file(convert(of_the_transformer, tmp_path / "theirs.safetensors", "sd-scripts")[0])
    pair = {f"{name}.lora_down.weight": torch.ones(2, 48), f"{name}.lora_up.weight": torch.ones(32, 2)}
    save_file(theirs | pair, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match="and changes T5, which no network changes here"):
        load(tmp_path / "a.safetensors", small_base("sd3"))


def test_a_block_that_no_base_has_is_shown_as_other(of_the_transformer: Path) -> None:
    own = load_file(of_the_transformer)
    far = {key.replace("blocks_0_", "blocks_999_"): each for key, each in own.items() if "blocks_0_" in key}
    save_file(far, of_the_transformer)
    assert list(inspect(of_the_transformer).norms) == ["other"]


def test_its_family_is_known_by_its_names(of_the_transformer: Path, tmp_path: Path) -> None:
    made = family_of_network(grouped(read_weights(of_the_transformer)), {})
    assert made is small_base("sd3").family
    assert family_of_path(of_the_transformer) == "Stable Diffusion 3"
    theirs = convert(of_the_transformer, tmp_path / "theirs.safetensors", "diffusers")[0]
    assert family_of_path(theirs) == "Stable Diffusion 3"
    assert "transformer.transformer_blocks.0.attn.to_q.lora_A.weight" in load_file(theirs)
    assert "Stable Diffusion 3" in str(inspect(of_the_transformer).facts)


HALVED = ("final_layer.adaLN_modulation.1", "joint_blocks.2.context_block.adaLN_modulation.1")
CHANGED = ("joint_blocks.0.x_block.attn.qkv", "joint_blocks.0.context_block.adaLN_modulation.1", *HALVED)
"""A fused layer; the text's norm in a block that is not the last; two whose halves are exchanged."""


def leaves_of(kind: str, rows: int, columns: int) -> tuple[dict[str, Tensor], Tensor]:
    """Leaves of a layer, and the change of its weight that they make."""

    def made(*shape: int) -> Tensor:
        return 0.3 * torch.randn(shape)

    if kind == "lora":
        up, down = made(rows, 2), made(2, columns)
        return {"lora_up.weight": up, "lora_down.weight": down, "alpha": torch.tensor(1.0)}, up @ down / 2
    if kind == "loha":
        own = {"hada_w1_a": made(rows, 2), "hada_w1_b": made(2, columns), "hada_w2_a": made(rows, 2)}
        own["hada_w2_b"] = made(2, columns)
        change = (own["hada_w1_a"] @ own["hada_w1_b"]) * (own["hada_w2_a"] @ own["hada_w2_b"])
        return own | {"alpha": torch.tensor(2.0)}, change
    if kind == "lokr":
        own = {"lokr_w1": made(6, 4), "lokr_w2_a": made(rows // 6, 2), "lokr_w2_b": made(2, columns // 4)}
        if rows % 6:
            own |= {"lokr_w1": made(4, 4), "lokr_w2_a": made(rows // 4, 2)}
        change = torch.kron(own["lokr_w1"], own["lokr_w2_a"] @ own["lokr_w2_b"])
        return own | {"alpha": torch.tensor(2.0)}, change
    change = made(rows, columns)
    return {"diff": change}, change


@pytest.mark.parametrize("kind", ["lora", "loha", "lokr", "diff"])
def test_every_algorithm_in_the_original_layout_changes_the_original_weights(
    kind: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    base = small_base("sd3")
    tensors, leaves = file_tensors(base, torch.float32), dict[str, Tensor]()
    for place in CHANGED:
        key = f"model.diffusion_model.{place}.weight"
        own, change = leaves_of(kind, *tensors[key].shape)
        leaves |= {f"lycoris_{place.replace('.', '_')}.{leaf}": each for leaf, each in own.items()}
        tensors[key] = tensors[key] + change
    save_file(leaves, tmp_path / "a.safetensors")
    network = load(tmp_path / "a.safetensors", base)
    assert isinstance(network, AdapterNetwork)
    ours, by_hand = with_network(network, base)["sample"], answers(with_tensors(base, tensors))["sample"]
    assert float((by_hand - answers(base)["sample"]).norm() / by_hand.norm()) > 0.01
    assert float((ours - by_hand).norm() / by_hand.norm()) < ORDER


@pytest.mark.parametrize(
    ("place", "rows", "reason"),
    [
        ("joint_blocks_0_x_block_attn_qkv", 2, "lokr_w1 of 2 rows for queries, keys and values together"),
        ("final_layer_adaLN_modulation_1", 3, r"lokr_w1 of shape \[3, 2\]; the layer's two halves"),
    ],
)
def test_a_layer_that_cannot_be_divided_is_refused(
    place: str, rows: int, reason: str, tmp_path: Path
) -> None:
    name = f"lycoris_{place}"
    tensors = {f"{name}.lokr_w1": torch.ones(rows, 2), f"{name}.lokr_w2": torch.ones(24, 8)}
    tensors["lycoris_joint_blocks_0_x_block_mlp_fc1.lokr_w1"] = torch.ones(2, 2)
    tensors["lycoris_joint_blocks_0_x_block_mlp_fc1.lokr_w2"] = torch.ones(32, 8)
    save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match=reason):
        read_weights(tmp_path / "a.safetensors")


@torch.no_grad()
def test_a_network_is_baked_into_the_original_weights_alike(of_the_transformer: Path) -> None:
    """Fused layers, and the norms whose halves are the other way round."""
    base = small_base("sd3")
    tensors = file_tensors(base, torch.float32)
    stored = {key: Stored.of(tensor) for key, tensor in tensors.items()}
    changes = NetworkChanges("net", open_network(of_the_transformer), stored)
    assert "model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight" in changes
    assert "model.diffusion_model.joint_blocks.2.context_block.adaLN_modulation.1.weight" in changes
    deltas = {key: changes.delta(key, each) for key, each in tensors.items() if key in changes}
    baked = {key: each + deltas.get(key, 0) for key, each in tensors.items()}
    network = load(of_the_transformer, base)
    assert isinstance(network, AdapterNetwork)
    ours, by_file = with_network(network, base), answers(with_tensors(base, baked))
    assert change({"sample": ours["sample"]}, {"sample": answers(base)["sample"]}) > 0.01
    assert difference(by_file, ours) < ORDER


@torch.no_grad()
def test_the_difference_of_two_checkpoints_is_extracted(of_the_transformer: Path, tmp_path: Path) -> None:
    """Halves of the last norms are turned back, fused layers divided."""
    base = small_base("sd3")
    before = file_tensors(base, torch.float32)
    stored = {key: Stored.of(tensor) for key, tensor in before.items()}
    changes = NetworkChanges("net", open_network(of_the_transformer), stored)
    after = {key: each + changes.delta(key, each) if key in changes else each for key, each in before.items()}
    final = "model.diffusion_model.final_layer.adaLN_modulation.1.weight"
    after[final] = after[final] + torch.outer(torch.linspace(0, 1, 32), torch.linspace(1, 0, 16))
    for name, tensors in (("before", before), ("after", after)):
        save_file({key: each.contiguous() for key, each in tensors.items()}, tmp_path / f"{name}.safetensors")
    out = tmp_path / "out.safetensors"
    files = [str(tmp_path / f"{name}.safetensors") for name in ("after", "before")]
    merging(["extract", *files, "--dim", "4", "--out", str(out)])
    found = load(out, base)
    assert isinstance(found, AdapterNetwork)
    ours, expected = with_network(found, base), answers(with_tensors(base, after))
    sample = {"sample": expected["sample"]}
    assert change(sample, {"sample": answers(base)["sample"]}) > 0.01
    assert difference(ours, sample) < 10 * ORDER  # the file is in fp16
