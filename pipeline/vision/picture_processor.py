"""A vision-language model's own processor: pictures and a prompt to the model's input."""

from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoProcessor
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING
from transformers.utils.import_utils import is_torchvision_available

FROM_DISK: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
"""Code that comes with a model is never run."""


def picture_processor(folder: Path) -> Any:
    """The processor of the folder's model. Raises what transformers raises if it does not load."""
    config = type(AutoConfig.from_pretrained(folder, **FROM_DISK))
    kind = PROCESSOR_MAPPING.get(config, None)
    if kind is None or is_torchvision_available() or not _videos(kind):
        return AutoProcessor.from_pretrained(folder, **FROM_DISK)
    return _without_videos(kind).from_pretrained(folder, **FROM_DISK)


def _videos(kind: Any) -> list[str]:
    return [name for name in kind.get_attributes() if "video" in name]


def _without_videos(kind: Any) -> Any:
    """The processor's class without its part for videos (Qwen2-VL), which needs torchvision even where only
    pictures are shown.
    """
    kept = [name for name in kind.get_attributes() if "video" not in name]
    return type(kind.__name__, (kind,), {"get_attributes": classmethod(lambda _: kept)})
