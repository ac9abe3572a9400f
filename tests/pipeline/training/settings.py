"""Groups of the configuration as conf/ has them, with changes."""

from pipeline.config.compose import Params, compose
from pipeline.schemas import NoiseConfig, OptimizerConfig, ScheduleConfig, TrainConfig


def noise(option: str = "plain", **changes: object) -> NoiseConfig:
    return NoiseConfig.model_validate(_group("noise", option, changes))


def optimizer(option: str = "adamw", **changes: object) -> OptimizerConfig:
    return OptimizerConfig.model_validate(_group("optimizer", option, changes))


def schedule(option: str = "constant", **changes: object) -> ScheduleConfig:
    return ScheduleConfig.model_validate(_group("schedule", option, changes))


def train(**changes: object) -> TrainConfig:
    return TrainConfig.model_validate(_group("train", "default", changes))


def _group(group: str, option: str, changes: dict[str, object]) -> dict[str, object]:
    return {**compose(Params({group: option}, {}))[group], **changes}
