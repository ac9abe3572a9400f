"""Groups of the configuration as conf/ has them, with changes."""

from pipeline.config.compose import Params, compose
from pipeline.config.schemas import Noise, Optimizer, Schedule, Train


def noise(option: str = "plain", **changes: object) -> Noise:
    return Noise.model_validate(_group("noise", option, changes))


def optimizer(option: str = "adamw", **changes: object) -> Optimizer:
    return Optimizer.model_validate(_group("optimizer", option, changes))


def schedule(option: str = "constant", **changes: object) -> Schedule:
    return Schedule.model_validate(_group("schedule", option, changes))


def train(**changes: object) -> Train:
    return Train.model_validate(_group("train", "default", changes))


def _group(group: str, option: str, changes: dict[str, object]) -> dict[str, object]:
    return {**compose(Params({group: option}, {}))[group], **changes}
