"""Advice for a card that is too small: what is used already is not named, and the cheapest comes first."""

from typing import Any

import pytest
import torch

from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.training.planning.levers import levers, levers_of, out_of_memory

pytestmark = pytest.mark.usefixtures("root")


def named(use: dict[str, str], **train: object) -> list[str]:
    config = check(compose(Params(use, {f"train.{key}": value for key, value in train.items()})))
    return [each.partition(":")[0].removeprefix("a smaller ") for each in levers(config)]


def test_all_of_them_in_order_of_harm() -> None:
    assert named({"base": "sd15", "network": "lora"}, batch=2) == [
        "train.precision",
        "train.gradient_checkpointing",
        "train.batch",
        "train.offload",
        "use.optimizer",
        "network.text_encoder",
        "train.base_precision",
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
    said = out_of_memory(config, is_kept=True)
    assert "train.batch: 1 with train.gradient_accumulation: 8" in said
    assert "The last checkpoint is kept" in said
    assert "Nothing was kept" in out_of_memory(config, is_kept=False)


RUNS: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "a recorded step": ({"network": "lora"}, {"train.cuda_graph": True}),
    "a compiled one": ({"network": "lora"}, {"train.compile": True}),
    "two devices": ({"network": "checkpoint"}, {"train.devices": 2}),
    "a split checkpoint": ({"network": "checkpoint"}, {"train.devices": 2, "train.strategy": "fsdp"}),
    "a strategy": ({"network": "checkpoint"}, {"train.strategy": "ddp"}),
    "fp16": ({"network": "checkpoint"}, {"train.precision": "fp16", "train.batch": 4}),
    "a mean": ({"network": "checkpoint"}, {"train.ema_decay": 0.99, "train.batch": 3}),
    "a bound": ({"network": "lora"}, {"network.max_norm": 1.0}),
    "class pictures": (
        {"network": "lora", "class_images": "prior"},
        {"class_images.prompt": "dog", "train.batch": 4, "train.prior_form": "two_means"},
    ),
    "a fused one": (
        {"network": "checkpoint", "optimizer": "adafactor"},
        {"train.batch": 4, "train.fused_backward": True, "train.clip_norm": 0.0},
    ),
    "a recorded checkpoint": ({"network": "checkpoint"}, {"train.cuda_graph": True}),
    "collected gradients": ({"network": "checkpoint"}, {"train.gradient_accumulation": 4}),
    "dora": ({"network": "lora"}, {"network.dora": True}),
    "prodigy": ({"network": "lora", "optimizer": "prodigy"}, {}),
}


@pytest.mark.parametrize("name", RUNS)
def test_what_is_named_goes_together_with_the_rest(name: str) -> None:
    """All levers pulled at once, one after the other, with the run's own settings: nothing contradicts."""
    use, values = RUNS[name]
    found = levers_of(check(compose(Params({"base": "sd15", **use}, values))))
    assert found
    for number in range(len(found)):
        pairs = dict(pair for lever in found[: number + 1] for pair in lever.values)
        optimizer = {"optimizer": pairs.pop("optimizer.name")} if "optimizer.name" in pairs else {}
        check(compose(Params({"base": "sd15", **use, **optimizer}, {**values, **pairs})))


def test_what_leaves_every_number_comes_before_what_rounds() -> None:
    config = check(compose(Params({"base": "sd15", "network": "lora"}, {"train.precision": "bf16"})))
    keys = [lever.values[0][0] for lever in levers_of(config) if lever.values]
    exact = {"train.gradient_checkpointing", "train.batch", "train.offload", "train.fused_backward"}
    assert [key in exact for key in keys] == sorted([key in exact for key in keys], reverse=True)


@pytest.mark.parametrize("key", ["train.cuda_graph", "train.compile"])
def test_an_offload_ends_what_forbids_it(key: str) -> None:
    (text,) = [
        each for each in levers(check(compose(Params({"base": "sd15"}, {key: True})))) if "offload" in each
    ]
    assert f"with {key}: false" in text


@pytest.mark.parametrize("clip_norm", [0.0, 1.0])
def test_a_fused_backward_pass_ends_the_recording_that_forbids_it(clip_norm: float) -> None:
    values = {"train.cuda_graph": True, "train.clip_norm": clip_norm}
    found = levers_of(check(compose(Params({"base": "sd15", "network": "checkpoint"}, values))))
    (fused,) = [lever for lever in found if ("train.fused_backward", True) in lever.values]
    assert ("train.cuda_graph", False) in fused.values
    assert "with train.cuda_graph: false" in fused.text
    assert any(("train.offload", 1.0) in lever.values for lever in found)


def test_a_fused_run_does_not_collect_gradients() -> None:
    use = {"base": "sd15", "network": "checkpoint", "optimizer": "adafactor"}
    assert "train.batch, other updates" in " ".join(named(use, batch=4, fused_backward=True, clip_norm=0.0))
    assert "gradient_accumulation" not in " ".join(named(use, batch=4, fused_backward=True, clip_norm=0.0))


def test_where_memory_is_shared_nothing_waits_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Apple's chips; there AdamW in 8 bits is plain AdamW, too."""
    for module in ("levers", "optimizer_state"):
        monkeypatch.setattr(f"pipeline.training.planning.{module}.best_device", lambda: torch.device("mps"))
    found = named({"base": "sd15", "network": "lora"})
    assert not {"train.offload", "use.optimizer"} & set(found)


def test_gradients_of_a_checkpoint_need_no_room() -> None:
    use = {"base": "sd15", "network": "checkpoint", "optimizer": "adafactor"}
    assert "train.fused_backward" in named(use)
    assert "train.fused_backward" not in named(use, fused_backward=True, clip_norm=0.0)
    assert "train.fused_backward" not in named({**use, "optimizer": "prodigy"})
    assert "train.fused_backward" not in named({"base": "sd15", "network": "lora"})
