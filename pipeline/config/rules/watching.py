"""Rules of the groups validation and doctor."""

from pipeline.schemas import Config


def watching_contradictions(config: Config) -> list[str]:
    devices = config.train.devices * config.train.num_nodes
    if config.doctor.action == "rollback" and devices > 1:
        return [
            f"doctor.action rollback works on one device, but train.devices x num_nodes is {devices};"
            " set doctor.action to stop"
        ]
    return []


def watching_doubts(config: Config) -> list[str]:
    doubts, validation = [], config.validation
    if validation.share and not validation.pictures:
        doubts.append(
            f"validation.share {validation.share:g} keeps pictures out of training, but"
            " validation.pictures is 0, so they are not measured; change one of them"
        )
    if validation.every_epochs and not validation.pictures:
        doubts.append("validation.every_epochs has no effect: validation.pictures is 0")
    return doubts
