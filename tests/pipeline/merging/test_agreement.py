"""Families told apart by names and shapes, as sd-mecha lists them."""

from pathlib import Path

import sd_mecha
import torch
import yaml

from pipeline.files.tensor_file import InMemory, Stored
from pipeline.merging.agreement import differences
from pipeline.merging.blocks import blocks_of
from pipeline.merging.tree import Leaf

LISTS = Path(sd_mecha.__file__).parent / "extensions/builtin/model_configs"


def listed(name: str, label: str) -> Leaf:
    components = yaml.load((LISTS / f"{name}.yaml").read_text(), yaml.CSafeLoader)["components"]
    nowhere = InMemory(torch.empty(0, dtype=torch.uint8))  # a reading would fail
    tensors = {
        key: Stored(torch.float16, tuple(entry["shape"]), nowhere)
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
