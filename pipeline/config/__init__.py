"""The configuration: one frozen schema a group, composing, checking, loading for a stage, explaining."""

from pipeline.config.load import load
from pipeline.config.schemas import Config

__all__ = ["Config", "load"]
