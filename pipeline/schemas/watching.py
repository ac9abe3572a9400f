"""The groups that watch a training: resume, validation, doctor, logging."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.schemas.group import Count, Group, NonEmpty, Positive, Resolution


class ResumeConfig(Group):
    every_minutes: Annotated[float, Field(gt=0)] | None
    every_steps: Positive | None


class ValidationConfig(Group):
    share: Annotated[float, Field(ge=0, le=0.5)]
    pictures: Count
    timesteps: Annotated[list[Annotated[int, Field(ge=0, le=999)]], Field(min_length=1)]
    every_epochs: Positive | None


class DoctorConfig(Group):
    action: Literal["tell", "stop", "rollback"]
    every_steps: Positive
    rollback_factor: Annotated[float, Field(gt=0, lt=1)]
    max_rollbacks: Positive


class LoggingConfig(Group):
    tensorboard: bool
    wandb_project: NonEmpty | None
    every_steps: Positive
    sample_prompts: list[str]
    sample_every_epochs: Positive
    sample_resolution: Resolution
