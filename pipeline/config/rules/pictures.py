"""Rules across collect, crop and class_images."""

from pipeline.schemas import CollectConfig, Config
from pipeline.schemas.collect import FATAL


def picture_contradictions(config: Config) -> list[str]:
    """Settings that contradict each other."""
    problems = []
    if config.class_images.count and not config.class_images.prompt:
        problems.append(
            f"class_images.count is {config.class_images.count}, but"
            " class_images.prompt is empty; set it to the class (`1girl`, `dog`)"
        )
    if config.class_images.count and config.class_images.resolution != config.crop.resolution:
        problems.append(
            f"class_images.resolution {config.class_images.resolution} differs"
            f" from crop.resolution {config.crop.resolution};"
            " one batch holds both: make them equal"
        )
    crop = config.crop
    if crop.shape == "buckets" and not crop.bucket_min_px <= crop.resolution <= crop.bucket_max_px:
        problems.append(
            f"crop.resolution {crop.resolution} is not between crop.bucket_min_px {crop.bucket_min_px} and"
            f" crop.bucket_max_px {crop.bucket_max_px}; half and twice the resolution are usual"
        )
    if crop.mask == "model" and crop.mask_model is None:
        problems.append(
            "crop.mask is model, but crop.mask_model is null; name a network of rembg or BiRefNet"
        )
    return problems + [
        f"collect.checks.{check}: {level} is not allowed: such a file gives no picture; use `error` or `drop`"
        for check, level in config.collect.checks.items()
        if check in FATAL and level not in ("error", "drop")
    ]


def picture_doubts(config: Config) -> list[str]:
    """Settings that have no effect, or are rarely meant."""
    doubts = []
    if config.crop.mirror:
        doubts.append(
            "crop.mirror is on: asymmetric features (odd-coloured eyes, a parting, text) are learned both"
            " ways; turn it off for such a character"
        )
    if config.crop.mask_model and config.crop.mask != "model":
        doubts.append(f"crop.mask_model has no effect: crop.mask is {config.crop.mask}")
    if config.crop.enlarge is False and config.crop.shape != "buckets":
        doubts.append(f"crop.enlarge has no effect: crop.shape is {config.crop.shape}")
    return doubts + _collect_without_effect(config.collect)


def _collect_without_effect(collect: CollectConfig) -> list[str]:
    values = (collect.source, collect.class_source or [])
    sources = [path for value in values for path in ([value] if isinstance(value, str) else value)]
    if collect.downloader != "direct" and not any(path.lower().endswith(".txt") for path in sources):
        return [f"collect.downloader {collect.downloader} has no effect: no source is a .txt of URLs"]
    return []
