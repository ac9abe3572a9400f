"""conf/collect's settings for tests, with changes."""

from typing import Any

import yaml

from pipeline.schemas import CollectConfig
from tests.conftest import ROOT


def settings(checks: dict[str, str] | None = None, **changes: Any) -> CollectConfig:
    """conf/collect/pictures.yaml with `changes`, those of single checks in `checks`."""
    values = yaml.safe_load((ROOT / "conf/collect/pictures.yaml").read_text(encoding="utf-8"))
    values |= {"caption_separator": ",", "min_side_px": 512, **changes}
    return CollectConfig(**{**values, "checks": {**values["checks"], **(checks or {})}})
