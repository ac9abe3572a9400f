import json
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file
from transformers import CLIPTextModel

from pipeline.bases.save import save_file, save_folder
from tests.pipeline.bases.random_sd1 import random_base


def test_diffusers_loads_the_folder_whole(tmp_path: Path) -> None:
    base = random_base()
    save_folder(base, tmp_path / "base", "fp32", {})
    pipe = StableDiffusionPipeline.from_pretrained(tmp_path / "base")
    assert torch.equal(pipe.unet.conv_in.weight, base.denoiser.conv_in.weight)
    ids = pipe.tokenizer(["a cat"], padding="max_length", return_tensors="pt").input_ids
    assert torch.equal(pipe.text_encoder(ids)[0], base.text_encoders[0](ids)[0])


def test_text_encoder_keys_are_those_that_transformers_4_needs(tmp_path: Path) -> None:
    save_folder(random_base(), tmp_path / "base", "fp16", {})
    keys = load_file(tmp_path / "base" / "text_encoder" / "model.safetensors").keys()
    assert all(key.startswith("text_model.") for key in keys)
    folder = tmp_path / "base" / "text_encoder"
    loaded: Any = CLIPTextModel.from_pretrained(folder, output_loading_info=True)
    _, info = loaded
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]


def test_the_tokenizer_has_the_files_that_older_tools_want(tmp_path: Path) -> None:
    save_folder(random_base(), tmp_path / "base", "fp16", {})
    folder = tmp_path / "base" / "tokenizer"
    assert {"vocab.json", "merges.txt", "tokenizer.json"} <= {path.name for path in folder.iterdir()}
    assert len(json.loads((folder / "vocab.json").read_text())) == 49408
    assert len((folder / "merges.txt").read_text().splitlines()) == 48895


def test_a_single_file_is_half_precision_and_repeats_to_the_byte(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_file(random_base(), tmp_path / f"{name}.safetensors", "fp16", {"x": "1"})
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    weights = load_file(tmp_path / "a.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
    assert weights["first_stage_model.encoder.mid.attn_1.q.weight"].shape == (16, 16, 1, 1)
