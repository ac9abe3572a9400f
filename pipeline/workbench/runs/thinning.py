"""Fewer points of a curve, its peaks kept."""

import math
from collections.abc import Sequence
from typing import Any

MOST_LIVE_POINTS = 2000


def thinned(
    rows: Sequence[dict[str, Any]], most: int = MOST_LIVE_POINTS, key: str = "loss"
) -> list[dict[str, Any]]:
    """Of each stretch the rows with the least and the most, in their order; first and last stay."""
    if len(rows) <= most:
        return list(rows)
    inner, num_stretches = rows[1:-1], (most - 2) // 2
    chosen = [rows[0]]
    for number in range(num_stretches):
        part = inner[number * len(inner) // num_stretches : (number + 1) * len(inner) // num_stretches]
        low = min(part, key=lambda row: math.inf if row[key] is None else row[key])
        high = max(part, key=lambda row: -math.inf if row[key] is None else row[key])
        chosen += [low] if low is high else sorted((low, high), key=lambda row: row["step"])
    return [*chosen, rows[-1]]
