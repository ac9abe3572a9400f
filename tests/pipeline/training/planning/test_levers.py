"""Advice for a card that is too small: what is used already is not named, and the cheapest comes first."""

import pytest

from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.training.planning.levers import levers, out_of_memory

pytestmark = pytest.mark.usefixtures("root")


def named(use: dict[str, str], **train: object) -> list[str]:
    config = check(compose(Params(use, {f"train.{key}": value for key, value in train.items()})))
    return [each.partition(":")[0].removeprefix("a smaller ") for each in levers(config)]


def test_all_of_them_in_order_of_harm() -> None:
    assert named({"base": "sd15", "network": "lora"}, batch=2) == [
        "train.precision",
        "train.gradient_checkpointing",
        "train.batch",
        "use.optimizer",
        "network.text_encoder",
        "train.base_precision",
        "train.offload",
        "crop.resolution",
    ]


def test_what_is_used_is_not_named() -> None:
    use = {"base": "sdxl", "experiment": "sdxl_character", "memory": "8gb"}
    assert named(use, base_precision="int8") == ["train.offload", "crop.resolution"]


def test_eight_bits_are_not_for_networks_that_need_the_weights() -> None:
    assert "train.base_precision" not in named({"base": "sd15", "network": "checkpoint"})


def test_a_batch_keeps_its_updates() -> None:
    values = {"train.batch": 4, "train.gradient_accumulation": 2}
    config = check(compose(Params({"base": "sd15", "network": "lora"}, values)))
    assert "train.batch: 1 with train.gradient_accumulation: 8" in out_of_memory(config)


def test_gradients_of_a_checkpoint_need_no_room() -> None:
    use = {"base": "sd15", "network": "checkpoint", "optimizer": "adafactor"}
    assert "train.fused_backward" in named(use)
    assert "train.fused_backward" not in named(use, fused_backward=True, clip_norm=0.0)
    assert "train.fused_backward" not in named({**use, "optimizer": "prodigy"})
    assert "train.fused_backward" not in named({"base": "sd15", "network": "lora"})
