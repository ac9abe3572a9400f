"""The demo's own base, which draws real pictures."""

from pipeline.bases.base import Base as LoadedBase
from pipeline.bases.load import load_base
from pipeline.config.schemas import Base
from tests.conftest import ROOT


def demo_base() -> LoadedBase:
    path = str(ROOT / "demo" / "base")
    return load_base(Base.plain(path))
