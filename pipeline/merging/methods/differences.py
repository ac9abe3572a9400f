"""Methods on differences to a common ancestor, which drop, vote on or smooth what models have learned."""

import torch
from torch import Generator, Tensor


def ties(base: Tensor, models: list[Tensor], *, alpha: float, density: float) -> Tensor:
    """TIES (Yadav et al. 2023, arXiv 2306.01708, algorithm 1): keeps the `density` largest numbers of each
    model's difference to the base; each position takes the sign with the larger sum; adds the mean of the
    numbers with that sign, times `alpha` (lambda there). Trimmed per tensor, as in arcee-ai/mergekit.
    """
    kept = [_largest(model - base, density) for model in models]
    sign = torch.sign(sum(kept[1:], start=kept[0]))
    total, count = torch.zeros_like(base), torch.zeros_like(base)
    for difference in kept:
        agrees = (torch.sign(difference) == sign) & (sign != 0)
        total += torch.where(agrees, difference, 0.0)
        count += agrees
    return torch.add(base, total / count.clamp(min=1), alpha=alpha)


def dare(base: Tensor, models: list[Tensor], *, alpha: float, drop: float, seed: int) -> Tensor:
    """DARE (Yu et al. 2023, arXiv 2311.03099, equation 4): sets a fraction `drop` of each model's difference
    to the base to 0 and multiplies the rest by 1 / (1 - drop); adds the mean over models, times `alpha`.

    `seed` decides which numbers: it must differ between tensors.
    """
    generator = Generator().manual_seed(seed)
    total = torch.zeros_like(base)
    for model in models:
        kept = torch.rand(base.shape, generator=generator) >= drop
        total += torch.where(kept, model - base, 0.0) / (1 - drop)
    return torch.add(base, total, alpha=alpha / len(models))


def smooth_add(a: Tensor, b: Tensor, c: Tensor, *, alpha: float) -> Tensor:
    """A + alpha gauss(median(B - C)): a median over 3 places of every axis, then a Gaussian of sigma 1
    (hako-mikan/sd-webui-supermerger scripts/mergers/mergers.py, "smoothAdd"). Slow: minutes a checkpoint.
    """
    from scipy import ndimage  # half a second, for this method alone

    difference = (b - c).numpy()
    smooth = ndimage.gaussian_filter(ndimage.median_filter(difference, size=3), sigma=1)
    return torch.add(a, torch.from_numpy(smooth), alpha=alpha)


def _largest(difference: Tensor, density: float) -> Tensor:
    """The `density` largest numbers, all others 0; equal ones at the threshold all stay."""
    count = round(density * difference.numel())
    if count == 0:
        return torch.zeros_like(difference)
    size = difference.abs()
    edge = size.flatten().kthvalue(difference.numel() - count + 1).values
    return torch.where(size >= edge, difference, 0.0)
