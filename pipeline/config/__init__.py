"""The configuration: a frozen schema per group; composed, checked, loaded for a stage, and explained."""

from pipeline.config.load import load
from pipeline.schemas import Config

__all__ = ["Config", "load"]
