"""How much each setting matters: the share of the results' variance that its values explain.

    eta^2 = sum_v n_v (mean_v - mean)^2 / sum (y - mean)^2      v: the setting's values, n_v: runs that have v

In a full grid the settings' shares add up to at most 1; the rest is their interaction.
(Fisher's correlation ratio, the main effects of an analysis of variance.)
"""

from collections.abc import Hashable, Mapping, Sequence
from statistics import fmean


def importance(values: Mapping[str, Sequence[Hashable]], results: Sequence[float]) -> dict[str, float]:
    """Importance by setting, the greatest first; 0 if all results are equal. `values`: each setting's value
    in each run.
    """
    mean = fmean(results)
    total = sum((each - mean) ** 2 for each in results)
    shares = {}
    for name, of_runs in values.items():
        groups: dict[Hashable, list[float]] = {}
        for value, result in zip(of_runs, results, strict=True):
            groups.setdefault(value, []).append(result)
        between = sum(len(each) * (fmean(each) - mean) ** 2 for each in groups.values())
        shares[name] = between / total if total else 0.0
    return dict(sorted(shares.items(), key=lambda entry: (-entry[1], entry[0])))
