"""What distances between a concept's pictures say: the odd ones out, near duplicates, and clusters with the
repeats that keep one pose from ruling. Arithmetic only.

D: distances [n, n] between pictures, symmetric, 0 on the diagonal. Limits are shares of the concept's mean
distance, so that they hold for any encoder.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Distances = NDArray[np.float64]
FEWEST = 5
"""Pictures of a concept from which it has a centre and an odd one."""
TO_DEVIATION = 1.4826
"""Median absolute deviation to standard deviation, of a normal distribution."""


def mean_distance(distances: Distances) -> float:
    """Of all pairs; 0 if there is none. Where one pose rules, the median would be a distance within it."""
    above = distances[np.triu_indices(len(distances), 1)]
    return float(np.mean(above)) if len(above) else 0.0


def oddness(distances: Distances) -> NDArray[np.float64]:
    """[n] how far each picture is from the concept's centre, as a robust z: its mean distance to the others,
    less the median of these, over their median absolute deviation. 0 for fewer than FEWEST pictures.

    (Iglewicz and Hoaglin 1993, How to detect and handle outliers, who take 3.5 as the limit.)
    """
    number = len(distances)
    if number < FEWEST:
        return np.zeros(number)
    mean = distances.sum(axis=1) / (number - 1)
    away = mean - np.median(mean)
    deviation = TO_DEVIATION * float(np.median(np.abs(away)))
    return np.asarray(away / max(deviation, 1e-9), np.float64)


def near_pairs(distances: Distances, share: float) -> list[tuple[int, int]]:
    """Pairs (index, later index) closer than that share of the mean distance, the closest first."""
    limit = share * mean_distance(distances)
    rows, columns = np.nonzero(np.triu(distances < limit, 1))
    order = np.lexsort((columns, rows, distances[rows, columns]))
    return [(int(rows[each]), int(columns[each])) for each in order]


def clusters(distances: Distances, share: float) -> list[list[int]]:
    """Average linkage up to that share of the mean distance: groups of indices, the largest first, then by
    their first picture.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if len(distances) < 2:
        return [list(range(len(distances)))] if len(distances) else []
    tree = linkage(squareform(distances, checks=False), "average")
    labels = fcluster(tree, share * mean_distance(distances), "distance")
    groups = [np.flatnonzero(labels == label).tolist() for label in np.unique(labels)]
    return sorted(groups, key=lambda group: (-len(group), group[0]))


def proposed_repeats(sizes: Sequence[int], exposures: int) -> list[int]:
    """Repeats of the pictures of each cluster, at least 1, so that an epoch has about as many showings as
    now and a cluster is shown by the square root of its size: of 16 and of 4 pictures, 2 : 1, not 4 : 1.
    """
    weights = np.sqrt(np.asarray(sizes, np.float64))
    showings = exposures * weights / weights.sum()
    return [max(1, round(float(each / size))) for each, size in zip(showings, sizes, strict=True)]
