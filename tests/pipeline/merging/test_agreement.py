"""Families told apart by names and shapes, as sd-mecha lists them."""

from pathlib import Path

import sd_mecha
import torch
import yaml

from pipeline.files.tensor_file import InMemory, Stored
from pipeline.merging.agreement import differences
from pipeline.merging.tree import Leaf
from pipeline.merging.weights import blocks_of

LISTS = Path(sd_mecha.__file__).parent / "extensions/builtin/model_configs"


NOWHERE = InMemory(torch.empty(0, dtype=torch.uint8))
"""A reading would fail."""


def listed(name: str, label: str) -> Leaf:
    components = yaml.load((LISTS / f"{name}.yaml").read_text(), yaml.CSafeLoader)["components"]
    tensors = {
        key: Stored(torch.float16, tuple(entry["shape"]), NOWHERE)
        for names in components.values()
        for key, entry in names.items()
    }
    blocks = blocks_of(tensors)
    assert blocks
    return Leaf(label, blocks, tensors)


def test_sd1_and_sdxl_are_refused_by_the_first_names_that_differ() -> None:
    sd1, xl = listed("sd1-ldm", "anime"), listed("sdxl-sgm", "big")
    assert differences(sd1, sd1) == differences(xl, xl) == []
    (told,) = differences(sd1, xl)
    assert told.startswith("anime and big are of different architectures: ")
    assert "missing in the second (cond_stage_model.transformer.text_model.embeddings" in told
    assert "missing in the first (conditioner.embedders.0.transformer" in told
    assert "of another shape (model.diffusion_model." in told


def test_what_folders_lack_and_no_picture_depends_on_is_no_difference() -> None:
    xl = listed("sdxl-sgm", "file")
    scale = "conditioner.embedders.1.model.logit_scale"
    folder = Leaf("folder", xl.blocks, {key: stored for key, stored in xl.tensors.items() if key != scale})
    assert scale in xl.tensors
    assert differences(xl, folder) == differences(folder, xl) == []
    projection = "conditioner.embedders.1.model.text_projection"  # SDXL's pictures depend on it
    without = {key: stored for key, stored in xl.tensors.items() if key != projection}
    assert "text_projection" in differences(xl, Leaf("broken", xl.blocks, without))[0]
    sd1, one = listed("sd1-ldm", "sd1"), Stored(torch.float16, (1,), NOWHERE)
    second = "cond_stage_model.model."
    names = [f"{second}transformer.resblocks.{n}.ln_1.bias" for n in (22, 23)]
    names += [f"{second}logit_scale", f"{second}text_projection"]
    unet = {key: stored for key, stored in sd1.tensors.items() if key.startswith("model.diffusion_model.")}
    file = Leaf("file", sd1.blocks, unet | dict.fromkeys(names, one))
    assert differences(file, Leaf("folder", sd1.blocks, unet | {names[0]: one})) == []
    assert "resblocks.22" in differences(file, Leaf("broken", sd1.blocks, unet))[0]
