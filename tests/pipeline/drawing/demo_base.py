"""The demo's own base, which draws real pictures."""

from pipeline.bases.base import Base
from pipeline.bases.load import load_base
from pipeline.schemas import BaseConfig
from tests.conftest import ROOT


def demo_base() -> Base:
    path = str(ROOT / "demo" / "base")
    return load_base(BaseConfig.plain(path))
