from typing import Any

import pytest

from pipeline.config.compose import options
from pipeline.config.rules.optimizer import OPTIMIZER_NAMES
from pipeline.training.optimizers import PATHS
from tests.pipeline.config.rules.composed import must_doubt, must_refuse

pytestmark = pytest.mark.usefixtures("root")


@pytest.mark.parametrize(
    ("use", "values", "reason"),
    [
        ("prodigy", {"optimizer.lr": 1e-4}, r"optimizer\.lr 0\.0001 with optimizer\.name prodigy"),
        ("dadaptation_preprint", {"optimizer.lr": 1e-4}, r"optimizer\.lr 0\.0001 with optimizer\.name dadap"),
        ("dadaptation", {"optimizer.text_encoder_lr": 5e-5}, r"optimizer\.text_encoder_lr 5e-05 with"),
        (
            "adamw",
            {"optimizer.name": "prodigyplus.ProdigyPlusScheduleFree"},
            r"optimizer\.lr 0\.0001 with optimizer\.name prodigyplus",
        ),
        (
            "adafactor",
            {"optimizer.arguments": {"relative_step": True}},
            r"relative_step .* optimizer\.lr and optimizer\.text_encoder_lr",
        ),
        ("adamw", {"optimizer.name": "Adamw"}, r"'Adamw' is neither .* did you mean adamw\?"),
    ],
)
def test_what_cannot_be(use: str, values: dict[str, Any], reason: str) -> None:
    must_refuse({"optimizer": use}, values, reason)


def test_a_staircase_cannot_be_with_a_rate_that_is_found() -> None:
    must_refuse({"optimizer": "prodigy", "schedule": "staircase"}, {}, r"schedule\.name staircase .* prodigy")


def test_the_rate_of_a_part_that_is_not_trained_does_not_count() -> None:
    values = {"optimizer.text_encoder_lr": 0.0, "network.text_encoder": False}
    must_doubt({"optimizer": "prodigy"}, values, "")


@pytest.mark.parametrize(
    ("use", "values", "sentence"),
    [
        ({}, {"optimizer.lr": 1.0}, "optimizer.lr 1 is very high for optimizer.name adamw"),
        (
            {},
            {"optimizer.text_encoder_lr": 2e-4},
            "optimizer.text_encoder_lr 0.0002 is above optimizer.lr 0.0001",
        ),
        ({"optimizer": "schedulefree"}, {}, "schedule.name cosine with optimizer.name schedulefree"),
        (
            {"optimizer": "schedulefree", "schedule": "constant"},
            {"train.ema_decay": 0.99},
            "train.ema_decay with optimizer.name schedulefree",
        ),
        (
            {"optimizer": "schedulefree", "schedule": "constant_with_warmup"},
            {},
            "schedule.name constant_with_warmup with optimizer.name schedulefree",
        ),
        (
            {"schedule": "linear"},
            {"optimizer.name": "schedulefree.RAdamScheduleFree"},
            "schedule.name linear with optimizer.name schedulefree.RAdamScheduleFree",
        ),
        (
            {"schedule": "constant"},
            {"optimizer.name": "schedulefree.SGDScheduleFree", "train.ema_decay": 0.99},
            "train.ema_decay with optimizer.name schedulefree.SGDScheduleFree",
        ),
        (
            {"optimizer": "dadaptation_preprint"},
            {},
            "schedule.name cosine with optimizer.name dadaptation_pr",
        ),
        ({"optimizer": "dadaptation"}, {}, "schedule.name cosine with optimizer.name dadaptation"),
        (
            {"optimizer": "prodigy"},
            {"optimizer.arguments": {}},
            "(schedule.warmup_percent) misleads prodigy's search",
        ),
        (
            {"optimizer": "prodigy", "schedule": "linear"},
            {},
            "schedule.name linear with optimizer.name prodi",
        ),
    ],
)
def test_what_is_seldom_meant(use: dict[str, str], values: dict[str, Any], sentence: str) -> None:
    must_doubt(use, values, sentence)


def test_the_known_names_are_those_that_lead_to_a_class() -> None:
    assert sorted(OPTIMIZER_NAMES) == sorted(PATHS)


def test_every_option_is_silent_with_a_constant_rate() -> None:
    for option in set(options("optimizer")) - {"adafactor"}:
        must_doubt({"optimizer": option, "schedule": "constant"}, {}, "")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, ""),
        ({"train.clip_norm": 1.0}, "train.clip_norm 1 with optimizer.name adafactor"),
        ({"use.schedule": "constant"}, "schedule.name constant with optimizer.name adafactor: constant_with"),
        (
            {"optimizer.arguments": {"relative_step": False, "clip_threshold": 2.0}},
            "optimizer.arguments.clip_threshold 2.0 with optimizer.name adafactor: 1 is usual",
        ),
        (
            {"optimizer.name": "transformers.optimization.Adafactor", "train.clip_norm": 0.5},
            "train.clip_norm 0.5 with optimizer.name transformers.optimization.Adafactor",
        ),
    ],
)
def test_adafactor_under_clip_norm_is_doubted(values: dict[str, Any], sentence: str) -> None:
    """The three warnings of sd-scripts (library/train_util.py, get_optimizer)."""
    use = {"optimizer": "adafactor", "schedule": values.pop("use.schedule", "constant_with_warmup")}
    must_doubt(use, {"train.clip_norm": 0.0, **values}, sentence)


@pytest.mark.parametrize(
    ("network", "values", "reason"),
    [
        (
            "lora",
            {"optimizer.lr": 0.0, "optimizer.text_encoder_lr": 0.0},
            r"optimizer.lr and optimizer.text_encoder_lr are 0: nothing is learned",
        ),
        ("lora", {"optimizer.lr": 0.0, "network.text_encoder": False}, r"optimizer.lr is 0: nothing"),
        ("embedding", {"optimizer.lr": 0.0}, r"optimizer.lr is 0: nothing"),
    ],
)
def test_rates_that_are_all_zero_are_doubted(network: str, values: dict[str, Any], reason: str) -> None:
    must_doubt({"network": network}, values, reason)
