"""LoRAs of SD 2 and SDXL at their true size, as the usual tools write them: every key finds its layer, none
is dropped, and the file says the same in every layout.
"""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from pipeline.bases import unet_names
from pipeline.bases.base import Base
from pipeline.bases.layers import changeable_modules, main_layers, text_layers
from pipeline.bases.unet_family import has_attention
from pipeline.files.safetensors_header import read_header
from pipeline.networks.conversion import convert
from pipeline.networks.inspection import inspect
from pipeline.networks.network import AdapterNetwork
from pipeline.networks.network_files import read_weights
from tests.pipeline.bases.tiny import outlined_base

DOWN, UP, ALPHA = "lora_down.weight", "lora_up.weight", "alpha"
A, B = "lora_A.weight", "lora_B.weight"
TEXT_PREFIXES = {
    "sd2": {"text_encoder": "lora_te_"},
    "sdxl": {"text_encoder": "lora_te1_", "text_encoder_2": "lora_te2_"},
}
CLIPS = {"sd2": {"text_encoder": "clip_h"}, "sdxl": {"text_encoder": "clip_l", "text_encoder_2": "clip_g"}}
Naming = Callable[[str, str, str], str]
"""(family, part, path in diffusers or transformers with `text_model.`) -> the tool's name of a layer."""


@cache
def true_size(name: str) -> Base:
    return outlined_base(name)


def ldm(name: str, path: str) -> str:
    return unet_names.ldm_name(path, has_attention(true_size(name).configs))


def sd_scripts(name: str, part: str, path: str) -> str:
    if part == "unet":
        path = ldm(name, path) if name == "sdxl" else path
        return f"lora_unet_{path.replace('.', '_')}"
    return TEXT_PREFIXES[name][part] + path.replace(".", "_")


def one_trainer(name: str, part: str, path: str) -> str:
    """Its own files name SDXL's U-Net by diffusers' paths."""
    prefix = "lora_unet_" if part == "unet" else TEXT_PREFIXES[name][part]
    return prefix + path.replace(".", "_")


def diffusers(name: str, part: str, path: str) -> str:
    return f"{part}.{path}"


def peft(name: str, part: str, path: str) -> str:
    return f"{part}.base_model.model.{path}"


def comfy(name: str, part: str, path: str) -> str:
    if part == "unet":
        return f"diffusion_model.{ldm(name, path)}"
    return f"text_encoders.{CLIPS[name][part]}.transformer.{path}"


LAYOUTS: dict[str, tuple[Naming, dict[str, str]]] = {
    "sd-scripts": (sd_scripts, {DOWN: DOWN, UP: UP, ALPHA: ALPHA}),
    "OneTrainer": (one_trainer, {DOWN: DOWN, UP: UP, ALPHA: ALPHA}),
    "diffusers": (diffusers, {DOWN: A, UP: B}),
    "PEFT": (peft, {DOWN: A, UP: B}),
    "ComfyUI": (comfy, {DOWN: DOWN, UP: UP, ALPHA: ALPHA}),
    "ComfyUI with A and B": (comfy, {DOWN: A, UP: B}),
}
COUNTS = {"sd2": (192, {"lora_te_": 138}), "sdxl": (722, {"lora_te1_": 72, "lora_te2_": 192})}
"""Layers of sd-scripts' default LoRA."""
FACTS = {
    "sd2": ("Stable Diffusion 2.x, by its modules", "192 of the U-Net, 138 of the text encoder"),
    "sdxl": (
        "Stable Diffusion XL, by its modules",
        "722 of the U-Net, 72 of the first text encoder, 192 of the second text encoder",
    ),
}
CASES = [(name, layout) for name in COUNTS for layout in LAYOUTS]


def layers(name: str) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """(part, path, shape of the weight) of every layer that a LoRA trains by default."""
    base = true_size(name)
    trained = {*main_layers(base), *text_layers(base)}
    for part in base.family.trained_parts:
        for path, module in base.part(part.name).named_modules():
            in_text = part.name != "unet" and not path.startswith("text_model")
            if isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
                full = f"text_model.{path}" if in_text else path
                if sd_scripts_or_none(name, part.name, full) in trained:
                    yield part.name, full, tuple(module.weight.shape)


def sd_scripts_or_none(name: str, part: str, path: str) -> str | None:
    try:
        return sd_scripts(name, part, path)
    except KeyError:
        return None


@cache
def files(name: str) -> dict[str, dict[str, Tensor]]:
    """The same LoRA of rank 1 in every layout."""
    made: dict[str, dict[str, Tensor]] = {layout: {} for layout in LAYOUTS}
    generator = torch.Generator().manual_seed(0)
    for part, path, shape in layers(name):
        ones = (1,) * (len(shape) - 2)
        leaves = {
            DOWN: torch.randn((1, shape[1], *ones), generator=generator),
            UP: torch.randn((shape[0], 1, *ones), generator=generator),
            ALPHA: torch.tensor(1.0),
        }
        for layout, (naming, ends) in LAYOUTS.items():
            made[layout] |= {f"{naming(name, part, path)}.{end}": leaves[leaf] for leaf, end in ends.items()}
    return made


@pytest.mark.parametrize("name", COUNTS)
def test_the_layers_are_those_of_sd_scripts(name: str) -> None:
    base = true_size(name)
    unet, texts = COUNTS[name]
    modules = {key.partition(".")[0] for key in files(name)["sd-scripts"]}
    assert modules == {*main_layers(base), *text_layers(base)}
    assert sum(module.startswith("lora_unet_") for module in modules) == unet
    assert {prefix: sum(module.startswith(prefix) for module in modules) for prefix in texts} == texts
    assert len(changeable_modules(base)) > len(modules)


@pytest.mark.parametrize(("name", "layout"), CASES)
def test_every_key_finds_its_layer(name: str, layout: str, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save_file(files(name)[layout], path)
    expected, found = files(name)["sd-scripts"], read_weights(path)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    facts = inspect(path, with_norms=False).facts
    assert (facts["base"], facts["modules"]) == FACTS[name]
    assert (facts["family"], facts["dim"], facts["alpha"]) == ("LoRA", "1", "1")
    network = AdapterNetwork.load(path, true_size(name))
    assert len(network) == COUNTS[name][0] + sum(COUNTS[name][1].values())


@pytest.mark.parametrize(("name", "layout"), [("sd2", "PEFT"), ("sdxl", "OneTrainer")])
def test_conversion_drops_nothing_and_says_the_family(name: str, layout: str, tmp_path: Path) -> None:
    source, there, back = (tmp_path / f"{stem}.safetensors" for stem in ("a", "there", "back"))
    save_file(files(name)[layout], source)
    convert(source, there, "diffusers")
    assert read_header(there).tensors.keys() == files(name)["diffusers"].keys()
    convert(there, back, "sd-scripts")
    expected, found = files(name)["sd-scripts"], read_weights(back)
    assert read_header(back).tensors.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    theirs, ours = read_header(there).metadata, read_header(back).metadata
    assert theirs["modelspec.implementation"] == "diffusers"
    if name == "sd2":  # epsilon or v: a file without a header does not say
        assert ours["ss_v2"] == "True"
        assert "ss_base_model_version" not in ours
    else:
        assert ours["ss_base_model_version"] == "sdxl_base_v1-0"
        assert ours["modelspec.architecture"] == "stable-diffusion-xl-v1-base/lora"
        assert ours["modelspec.resolution"] == "1024x1024"
        assert ours["modelspec.implementation"] == "https://github.com/Stability-AI/generative-models"


@pytest.mark.parametrize(
    ("stated", "version", "side"),
    [
        ("epsilon", ("sd_v2", "stable-diffusion-v2-512/lora"), 512),
        ("v", ("sd_v2_v", "stable-diffusion-v2-768-v/lora"), 768),
    ],
)
def test_sd2s_header_follows_its_prediction(
    stated: str, version: tuple[str, str], side: int, tmp_path: Path
) -> None:
    source, target = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_file(files("sd2")["PEFT"], source, {"modelspec.prediction_type": stated})
    convert(source, target, "sd-scripts")
    header = read_header(target).metadata
    assert (header["ss_base_model_version"], header["modelspec.architecture"]) == version
    assert header["modelspec.resolution"] == f"{side}x{side}"


def test_bundled_embeddings_of_sdxl_keep_both_encoders(tmp_path: Path) -> None:
    first, second = torch.ones(2, 768), torch.full((2, 1280), 3.0)
    own = {
        "bundle_emb.zib.clip_l": first,
        "bundle_emb.zib.clip_g": second,
        "bundle_emb.zib.clip_g_out": second + 1,
    }
    save_file({**dict(list(files("sdxl")["OneTrainer"].items())[:3]), **own}, tmp_path / "a.safetensors")
    (written,) = convert(tmp_path / "a.safetensors", tmp_path / "words")
    found = read_weights(written)
    assert found.keys() == {"clip_l", "clip_g"}
    assert torch.equal(found["clip_l"], first)
    assert torch.equal(found["clip_g"], second)
    architecture = read_header(written).metadata["modelspec.architecture"]
    assert architecture == "stable-diffusion-xl-v1-base/textual-inversion"
