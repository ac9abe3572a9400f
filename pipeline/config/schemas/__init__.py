"""The whole configuration as one frozen object; a stage gets only the groups that dvc.yaml lists."""

from typing import Any, NoReturn, get_args

from pipeline.config.schemas.aesthetic import Aesthetic
from pipeline.config.schemas.checkpoint import Checkpoint
from pipeline.config.schemas.class_images import ClassImages
from pipeline.config.schemas.collect import Collect
from pipeline.config.schemas.crop import Crop
from pipeline.config.schemas.embedding import Embedding
from pipeline.config.schemas.filter_tags import FilterTags
from pipeline.config.schemas.group import Group, Seed
from pipeline.config.schemas.hypernetwork import Hypernetwork
from pipeline.config.schemas.learning import Base, Debiased, Noise, Optimizer, PriorForm, Schedule, Train
from pipeline.config.schemas.network import AdapterNetwork, Network
from pipeline.config.schemas.results import Merge, SampleGrid
from pipeline.config.schemas.tag import Tag
from pipeline.config.schemas.watching import Doctor, Logging, Resume, Validation

__all__ = [
    "AdapterNetwork",
    "Aesthetic",
    "Base",
    "Checkpoint",
    "ClassImages",
    "Collect",
    "Config",
    "Crop",
    "Debiased",
    "Doctor",
    "Embedding",
    "FilterTags",
    "Hypernetwork",
    "Logging",
    "Merge",
    "Network",
    "Noise",
    "Optimizer",
    "PriorForm",
    "Resume",
    "SampleGrid",
    "Schedule",
    "Tag",
    "Train",
    "Validation",
    "schemas_of",
]


class Config(Group):
    """The groups of conf/, and the values outside them."""

    seed: Seed
    same_bytes: bool
    base: Base
    collect: Collect
    crop: Crop
    tag: Tag
    filter_tags: FilterTags
    class_images: ClassImages
    network: Network
    optimizer: Optimizer
    schedule: Schedule
    noise: Noise
    train: Train
    validation: Validation
    doctor: Doctor
    resume: Resume
    logging: Logging
    sample_grid: SampleGrid
    merge: Merge

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
            name: group.identity() if isinstance(group, Group) else group for name, group in groups.items()
        }

    def values(self) -> dict[str, Any]:
        """The groups in this object, as plain values."""
        return self.model_dump(mode="json")


def schemas_of(group: str) -> tuple[type[Group], ...]:
    """The schemas of a group; if there are several, `name` distinguishes them."""
    annotation = Config.model_fields[group].annotation
    types = tuple(each for each in (annotation, *get_args(annotation)) if isinstance(each, type))
    return tuple(each for each in types if issubclass(each, Group))
