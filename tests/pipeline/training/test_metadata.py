import hashlib
import json
import struct
from pathlib import Path

import pytest
import torch

from pipeline.bases.registry import families
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.files.safetensors_file import header, write_safetensors
from pipeline.networks.network_header import network_header
from pipeline.schemas import AdapterNetworkConfig
from pipeline.training.data import Picture
from pipeline.training.epoch_order import EpochPicture
from pipeline.training.metadata import Progress, network_metadata, with_hashes

SD1 = families()["sd1"]
PICTURES = [
    Picture("cat/a", "cat", "zib, Smile, sky", "zib", EpochPicture(7, False, (512, 512))),
    Picture("cat/b", "cat", "zib, smile", "zib", EpochPicture(7, False, (512, 512))),
    Picture("class/00000", "class", "cat", None, EpochPicture(1, True, (512, 512))),
]


@pytest.mark.usefixtures("root")
def test_what_automatic1111_reads() -> None:
    config = check(compose(Params({}, {"train.name": "mycat", "base.clip_skip": 2})))
    assert isinstance(config.network, AdapterNetworkConfig)
    facts = network_metadata(
        config, network_header(config.network), PICTURES, Progress(2, 28, 140, 14), "epsilon", SD1
    )
    assert all(isinstance(value, str) for value in facts.values())
    assert facts["ss_output_name"] == "mycat"
    assert facts["ss_v2"] == "False"
    assert facts["ss_base_model_version"] == "sd_v1"
    assert facts["ss_network_module"] == "networks.lora"
    assert facts["ss_clip_skip"] == "2"
    assert facts["ss_num_train_images"] == "14"
    assert facts["ss_num_reg_images"] == "1"
    assert facts["ss_resolution"] == "(512, 512)"
    assert facts["ss_enable_bucket"] == "False"
    assert json.loads(facts["ss_bucket_info"]) == {"buckets": {"0": {"resolution": [512, 512], "count": 3}}}
    assert (facts["ss_epoch"], facts["ss_steps"], facts["ss_max_train_steps"]) == ("2", "28", "140")
    assert json.loads(facts["ss_dataset_dirs"]) == {"7_cat": {"img_count": 2, "n_repeats": 7}}
    assert json.loads(facts["ss_tag_frequency"])["7_cat"] == {"zib": 2, "smile": 2, "sky": 1}
    assert facts["modelspec.prediction_type"] == "epsilon"
    assert facts["modelspec.trigger_phrase"] == "zib"
    assert not [key for key in facts if "date" in key or "_at" in key]


@pytest.mark.usefixtures("root")
def test_tags_are_counted_between_the_marks_of_training() -> None:
    marks = {"keep_tokens_separator": "|||", "secondary_separator": ";;;", "caption_separator": ";"}
    config = check(compose(Params({}, {f"train.{key}": value for key, value in marks.items()})))
    caption = "zib ||| Red hat;;;bow; a, b ||| best\nzib; cafe\u0301"
    pictures = [Picture("cat/a", "cat", caption, "zib", EpochPicture(7, False, (512, 512)))]
    facts = network_metadata(config, {}, pictures, Progress(1, 1, 1, 1), "epsilon", SD1)
    assert json.loads(facts["ss_tag_frequency"])["7_cat"] == {
        "zib": 2, "red hat": 1, "bow": 1, "a, b": 1, "best": 1, "caf\u00e9": 1,
    }  # fmt: skip


def test_the_model_hash_is_that_of_the_bytes_after_the_header(tmp_path: Path) -> None:
    tensors = {"b": torch.arange(4.0), "a": torch.ones(2, dtype=torch.float16)}
    metadata = with_hashes(tensors, {"ss_x": "1", "other": "2"})
    path = tmp_path / "a.safetensors"
    write_safetensors(path, tensors, metadata)
    data = path.read_bytes()
    body = data[8 + struct.unpack("<Q", data[:8])[0] :]
    assert metadata["sshs_model_hash"] == hashlib.sha256(body).hexdigest()


def test_the_legacy_hash_is_that_of_the_file_with_ss_keys_alone() -> None:
    tensors = {"a": torch.arange(400_000.0)}
    metadata = with_hashes(tensors, {"ss_x": "1", "other": "2"})
    whole = header(tensors, {"ss_x": "1"}) + tensors["a"].numpy().tobytes()
    assert metadata["sshs_legacy_hash"] == hashlib.sha256(whole[0x100000:0x110000]).hexdigest()[:8]


@pytest.mark.usefixtures("root")
def test_a_network_says_which_family_its_base_is_of() -> None:
    config = check(compose(Params({}, {})))
    named = {
        (family, prediction): network_metadata(
            config, {}, PICTURES, Progress(1, 1, 1, 1), prediction, families()[family]
        )
        for family, prediction in [("sd1", "epsilon"), ("sd2", "epsilon"), ("sd2", "v"), ("sdxl", "v")]
    }
    keys = (
        "ss_base_model_version", "modelspec.architecture", "ss_v2", "modelspec.prediction_type",
        "ss_v_parameterization", "modelspec.implementation",
    )  # fmt: skip
    stability = "https://github.com/Stability-AI/generative-models"
    assert {case: tuple(facts.get(key) for key in keys) for case, facts in named.items()} == {
        ("sd1", "epsilon"): ("sd_v1", "stable-diffusion-v1/lora", "False", "epsilon", None, "diffusers"),
        ("sd2", "epsilon"): ("sd_v2", "stable-diffusion-v2-512/lora", "True", "epsilon", None, "diffusers"),
        ("sd2", "v"): ("sd_v2_v", "stable-diffusion-v2-768-v/lora", "True", "v", "True", "diffusers"),
        ("sdxl", "v"): (
            "sdxl_base_v1-0",
            "stable-diffusion-xl-v1-base/lora",
            "False",
            "v",
            "True",
            stability,
        ),
    }
