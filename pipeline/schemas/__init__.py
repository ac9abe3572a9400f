"""The whole configuration as one frozen object; a stage gets only the groups that dvc.yaml lists."""

from typing import Any, ClassVar, NoReturn, get_args

from pipeline.schemas.aesthetic import AestheticConfig
from pipeline.schemas.checkpoint import CheckpointConfig
from pipeline.schemas.class_images import ClassImagesConfig
from pipeline.schemas.collect import CollectConfig
from pipeline.schemas.crop import CropConfig
from pipeline.schemas.embedding import EmbeddingConfig
from pipeline.schemas.filter_tags import FilterTagsConfig
from pipeline.schemas.group import Group, Seed
from pipeline.schemas.hypernetwork import HypernetworkConfig
from pipeline.schemas.learning import (
    BaseConfig,
    Debiased,
    NoiseConfig,
    OptimizerConfig,
    PriorForm,
    ScheduleConfig,
    TrainConfig,
)
from pipeline.schemas.network import AdapterNetworkConfig, NetworkConfig
from pipeline.schemas.results import MergeConfig, SampleGridConfig
from pipeline.schemas.tag import TagConfig
from pipeline.schemas.vision import VisionConfig
from pipeline.schemas.watching import DoctorConfig, LoggingConfig, ResumeConfig, ValidationConfig

__all__ = [
    "AdapterNetworkConfig",
    "AestheticConfig",
    "BaseConfig",
    "CheckpointConfig",
    "ClassImagesConfig",
    "CollectConfig",
    "Config",
    "CropConfig",
    "Debiased",
    "DoctorConfig",
    "EmbeddingConfig",
    "FilterTagsConfig",
    "HypernetworkConfig",
    "LoggingConfig",
    "MergeConfig",
    "NetworkConfig",
    "NoiseConfig",
    "OptimizerConfig",
    "PriorForm",
    "ResumeConfig",
    "SampleGridConfig",
    "ScheduleConfig",
    "TagConfig",
    "TrainConfig",
    "ValidationConfig",
    "VisionConfig",
    "schemas_of",
]


class Config(Group):
    """The groups of conf/, and the values outside them."""

    NEUTRAL: ClassVar = {"same_bytes": False}

    seed: Seed
    same_bytes: bool
    base: BaseConfig
    collect: CollectConfig
    crop: CropConfig
    tag: TagConfig
    filter_tags: FilterTagsConfig
    class_images: ClassImagesConfig
    network: NetworkConfig
    optimizer: OptimizerConfig
    schedule: ScheduleConfig
    noise: NoiseConfig
    train: TrainConfig
    validation: ValidationConfig
    doctor: DoctorConfig
    resume: ResumeConfig
    logging: LoggingConfig
    vision: VisionConfig
    sample_grid: SampleGridConfig
    merge: MergeConfig

    def __getattr__(self, name: str) -> NoReturn:
        if name in type(self).model_fields:
            raise AttributeError(
                f"the stage reads the group {name!r}, which dvc.yaml does not list under its params"
            )
        raise AttributeError(name)

    def identity(self) -> dict[str, Any]:
        """The groups that are here, as far as results follow from them."""
        groups = {name: getattr(self, name) for name in self.model_fields_set}
        return {
            name: group.identity() if isinstance(group, Group) else group
            for name, group in groups.items()
            if name not in self.NEUTRAL or group != self.NEUTRAL[name]
        }

    def values(self) -> dict[str, Any]:
        """The groups in this object, as plain values."""
        return self.model_dump(mode="json")


def schemas_of(group: str) -> tuple[type[Group], ...]:
    """The schemas of a group; if there are several, `name` distinguishes them."""
    annotation = Config.model_fields[group].annotation
    types = tuple(each for each in (annotation, *get_args(annotation)) if isinstance(each, type))
    return tuple(each for each in types if issubclass(each, Group))
