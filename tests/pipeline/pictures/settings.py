"""conf/collect's settings for tests, with changes."""

from typing import Any

import yaml

from pipeline.schemas import CollectConfig
from tests.conftest import ROOT

FACES = {"face_model": "lbp", "face_model_sha256": None, "face_min_score": 0.0}


def settings(checks: dict[str, str] | None = None, **changes: Any) -> CollectConfig:
    """conf/collect/pictures.yaml with `changes`, those of single checks in `checks`."""
    values = yaml.safe_load((ROOT / "conf/collect/pictures.yaml").read_text(encoding="utf-8"))
    values |= {"caption_separator": ",", "min_side_px": 512, **FACES, **changes}
    return CollectConfig(**{**values, "checks": {**values["checks"], **(checks or {})}})
