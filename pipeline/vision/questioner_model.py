"""Which model answers questions about pictures, and what its answers depend on."""

from pipeline.schemas import VisionConfig
from pipeline.vision.models import VLM_FILES, VisionModel, located

QUESTIONER = "vision.questioner"
QUESTIONER_SETTINGS = {"questioner_dtype", "questioner_weights"}
"""What answers depend on, apart from the model, the picture and the question."""


def questioner_model(config: VisionConfig) -> VisionModel | None:
    """The configured model, checked against its hash; None without one."""
    if config.questioner is None:
        return None
    return located(QUESTIONER, config.questioner, config.questioner_sha256, VLM_FILES)
