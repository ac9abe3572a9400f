from typing import Any

import pytest

from tests.pipeline.config.rules.composed import must_doubt, must_refuse

pytestmark = pytest.mark.usefixtures("root")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (
            {"train.text_encoder_epochs": 3, "network.unet": False},
            r"train\.text_encoder_epochs 3 is below train\.epochs .* network\.unet is false",
        ),
        (
            {"train.secondary_separator": ","},
            r"secondary_separator and train\.caption_separator are both ','",
        ),
        (
            {"train.prior_form": "two_means", "train.batch": 3, "collect.class_source": "reg"},
            r"two_means splits each batch .* train\.batch 3 is odd; set it to 4",
        ),
        (
            {"train.strategy": "fsdp", "train.devices": 2},
            r"train\.strategy fsdp splits the weights of a whole checkpoint, but network\.name is lora",
        ),
        ({"train.max_tokens": 100}, r"train\.max_tokens: 100 is not allowed"),
        ({"train.ema_decay": 1.0}, r"train\.ema_decay: 1\.0 is not allowed"),
    ],
)
def test_what_cannot_be(values: dict[str, Any], reason: str) -> None:
    must_refuse({}, values, reason)


@pytest.mark.parametrize(
    ("use", "values", "reason"),
    [
        ({"optimizer": "lion"}, {}, r"optimizer\.name lion does not work .* train\.strategy fsdp"),
        ({}, {"train.channels_last": True}, r"train\.channels_last does not work with train\.strategy fsdp"),
        ({}, {"train.compile": True}, r"train\.compile does not work with train\.strategy fsdp"),
    ],
)
def test_what_cannot_be_with_weights_that_are_split(
    use: dict[str, str], values: dict[str, Any], reason: str
) -> None:
    split = {
        "train.strategy": "fsdp",
        "train.devices": 2,
        "optimizer.lr": 1e-6,
        "optimizer.text_encoder_lr": 1e-6,
    }
    must_refuse({"network": "checkpoint", **use}, {**split, **values}, reason)
    said = {"network.text_encoder": True, "train.devices": 1}
    must_doubt(
        {"network": "checkpoint"}, {**split, **said}, "train.strategy fsdp has no effect: train.devices x"
    )


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"train.shuffle_tags": False}, "train.keep_tokens has no effect: train.shuffle_tags is false"),
        ({"train.shuffle_tags": False, "train.tag_dropout": 0.1}, ""),
        ({"train.text_encoder_epochs": 10}, "train.text_encoder_epochs 10 has no effect: train.epochs is 10"),
        (
            {"train.text_encoder_epochs": 3, "network.text_encoder": False, "optimizer.text_encoder_lr": 0.0},
            "train.text_encoder_epochs has no effect: no text encoder layers are trained",
        ),
        ({"train.caption_dropout_every_epochs": 1}, "never shows a caption"),
        ({"train.prior_form": "two_means"}, "train.prior_form two_means has no effect: class_images.count"),
        ({"filter_tags.max_tokens": 150}, "filter_tags.max_tokens 150 is above train.max_tokens 75"),
        ({"filter_tags.max_tokens": 150, "train.max_tokens": 150}, ""),
        (
            {"crop.mask": "off", "train.unmasked_weight": 0.1},
            "train.unmasked_weight has no effect: crop.mask is off",
        ),
        (
            {"crop.mask": "off", "train.normalize_masked_area": True},
            "train.normalize_masked_area has no effect: crop.mask is off",
        ),
        ({"train.unmasked_weight": 1}, "unmasked_weight 1 disables masks, but crop.mask is"),
        ({"train.unmasked_weight": 0.1, "train.normalize_masked_area": True}, ""),
        ({"network.text_encoder": False}, "optimizer.text_encoder_lr has no effect: network.text_encoder"),
        ({"network.alpha": 64.0}, "network.alpha 64 is above network.dim 32"),
    ],
)
def test_what_is_seldom_meant(values: dict[str, Any], sentence: str) -> None:
    must_doubt({}, values, sentence)


@pytest.mark.parametrize(
    ("use", "values", "reason"),
    [
        (
            {},
            {"train.clip_norm": 1.0},
            r"train\.clip_norm 1 needs all gradients .*clip_norm to 0",
        ),
        ({}, {"train.gradient_accumulation": 2}, r"gradient_accumulation 2 collects .* set it to 1"),
        ({}, {"train.precision": "fp16"}, r"train\.precision fp16 scales .* set it to bf16"),
        ({}, {"train.devices": 2}, r"train\.fused_backward works on one device"),
        ({"optimizer": "prodigy"}, {}, r"fused_backward .* optimizer\.name prodigy works on all together"),
        ({"optimizer": "schedulefree"}, {}, r"optimizer\.name schedulefree works on all together"),
        ({"optimizer": "dadaptation"}, {}, r"optimizer\.name dadaptation works on all together"),
        ({}, {"optimizer.name": "torch.optim.LBFGS"}, r"optimizer\.name torch\.optim\.LBFGS works on all"),
    ],
)
def test_what_cannot_be_with_a_fused_backward_pass(
    use: dict[str, str], values: dict[str, Any], reason: str
) -> None:
    must_refuse(use, {"train.fused_backward": True, "train.clip_norm": 0.0, **values}, reason)


@pytest.mark.parametrize(
    ("use", "values", "reason"),
    [
        ({}, {"train.precision": "bf16"}, r"rounds weights in bf16, but with train\.precision bf16 they"),
        ({"network": "checkpoint"}, {"train.precision": "bf16"}, r"set train\.precision to bf16_full"),
        ({"optimizer": "prodigy"}, {}, r"train\.stochastic_rounding .* optimizer\.name prodigy works on all"),
        ({"network": "checkpoint"}, {"train.strategy": "fsdp"}, r"does not work with train\.strategy fsdp"),
    ],
)
def test_what_cannot_be_with_stochastic_rounding(
    use: dict[str, str], values: dict[str, Any], reason: str
) -> None:
    must_refuse(use, {"train.stochastic_rounding": True, "train.precision": "bf16_full", **values}, reason)


@pytest.mark.parametrize(
    ("use", "values", "reason"),
    [
        ({}, {"train.gradient_checkpointing": False}, r"train\.offload needs train\.gradient_checkpointing"),
        ({}, {"train.compile": True}, r"train\.offload does not work with train\.compile"),
        ({}, {"train.devices": 2}, r"train\.offload works on one device"),
        ({}, {"network.max_norm": 1.0}, r"network\.max_norm reads the weights between two steps"),
        (
            {"network": "checkpoint"},
            {},
            r"train\.offload of a checkpoint .* set train\.fused_backward",
        ),
        (
            {"network": "checkpoint"},
            {"train.ema_decay": 0.9},
            r"set train\.ema_decay to null, or",
        ),
    ],
)
def test_what_cannot_be_with_blocks_in_the_machines_memory(
    use: dict[str, str], values: dict[str, Any], reason: str
) -> None:
    must_refuse(use, {"train.offload": 0.5, "train.gradient_checkpointing": True, **values}, reason)


@pytest.mark.parametrize(
    ("use", "values", "reason"),
    [
        ({}, {"train.compile": True}, r"train\.cuda_graph replays .* train\.compile records kernels"),
        ({}, {"train.offload": 0.5, "train.gradient_checkpointing": True}, r"train\.offload moves weights"),
        (
            {},
            {"train.fused_backward": True, "train.clip_norm": 0.0},
            r"train\.fused_backward frees gradients",
        ),
        ({}, {"train.precision": "fp16"}, r"train\.precision fp16 changes .*, as bf16 does not; set one"),
        ({"network": "dylora"}, {}, r"network dylora trains another rank"),
        ({}, {"network.dropout": 0.1}, r"network\.dropout drops others"),
        ({}, {"network.module_dropout": 0.1}, r"network\.module_dropout drops others"),
        (
            {"network": "hypernetwork"},
            {"network.layer_structure": [1, 2, 1], "network.dropout_structure": [0, 0.3, 0]},
            r"network\.dropout_structure drops others",
        ),
        ({}, {"train.devices": 2}, r"train\.cuda_graph works on one device"),
    ],
)
def test_what_cannot_be_recorded(use: dict[str, str], values: dict[str, Any], reason: str) -> None:
    must_refuse(use, {"train.cuda_graph": True, **values}, reason)
