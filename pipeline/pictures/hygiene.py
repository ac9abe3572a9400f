"""Checks of one picture, and of the set: what is wrong with it for training, in words. Pure: sizes and hashes
in, sentences out.
"""

from collections.abc import Mapping

from pipeline.config.schemas import Collect


def picture_faults(width_px: int, height_px: int, config: Collect) -> list[str]:
    """Why a readable picture is unfit: too small, too long."""
    faults = []
    short, long = sorted((width_px, height_px))
    if short < config.min_side_px:
        faults.append(
            f"{width_px}x{height_px} px, a side is under collect.min_side_px"
            f" {config.min_side_px}; replace it by a larger one"
        )
    if long > config.max_aspect * short:
        faults.append(
            f"{width_px}x{height_px} px, longer than collect.max_aspect {config.max_aspect:g} to 1; crop it"
        )
    return faults


def duplicate_faults(hashes: Mapping[str, str]) -> list[str]:
    """Ids that have the same bytes (`hashes`: id -> hash of the file), a sentence for each group."""
    groups: dict[str, list[str]] = {}
    for picture_id, digest in hashes.items():
        groups.setdefault(digest, []).append(picture_id)
    return [
        f"{' and '.join(sorted(ids))} are the same file; delete all but one"
        for ids in groups.values()
        if len(ids) > 1
    ]
