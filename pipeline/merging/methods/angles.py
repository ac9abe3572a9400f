"""Methods that use the direction of whole tensors. float32 in, float32 out; sums are float64, so that a
processor's order of addition does not affect the result.
"""

import torch
from torch import Tensor

PARALLEL = 1e-3
"""Below this sine of the angle, the arc is a straight line at float32's precision."""


def slerp(a: Tensor, b: Tensor, *, alpha: float) -> Tensor:
    """Along the arc between the directions of A and B, the norm in a straight line between theirs
    (Shoemake 1985; ljleb/sd-mecha sd_mecha/extensions/builtin/merge_methods/linear.py, slerp):

        n (A/|A| sin((1 - alpha) w) + B/|B| sin(alpha w)) / sin w      cos w = <A, B> / (|A| |B|)

    Parallel and zero tensors: the weighted sum.
    """
    norm_a, norm_b = _norm(a), _norm(b)
    if float(norm_a * norm_b) == 0:
        return torch.lerp(a, b, alpha)
    angle = torch.arccos((_dot(a, b) / (norm_a * norm_b)).clamp(-1, 1))
    if float(angle.sin()) < PARALLEL:
        return torch.lerp(a, b, alpha)
    norm = torch.lerp(norm_a, norm_b, alpha)
    of_a = norm / norm_a * torch.sin((1 - alpha) * angle) / angle.sin()
    of_b = norm / norm_b * torch.sin(alpha * angle) / angle.sin()
    return a * float(of_a) + b * float(of_b)


def cosine_a(a: Tensor, b: Tensor, *, alpha: float) -> Tensor:
    """A + (1 - clamp(s - alpha, 0, 1)) (B - A), s the cosine similarity of each column: what is alike stays
    A's (hako-mikan/sd-webui-supermerger "cosineA", without its rescaling of s over all tensors, as
    ljleb/sd-mecha merge_methods/cosine.py, add_cosine_a).
    """
    return _by_similarity(a, b, _column_similarity(a, b), alpha)


def cosine_b(a: Tensor, b: Tensor, *, alpha: float) -> Tensor:
    """As cosine_a, s the mean of the columns' similarity and the whole tensor's (add_cosine_b, ibid.)."""
    whole = _dot(a, b) / (_norm(a) * _norm(b)).clamp(min=torch.finfo(torch.float64).tiny)
    return _by_similarity(a, b, (_column_similarity(a, b) + whole) / 2, alpha)


def model_stock(base: Tensor, models: list[Tensor], *, alpha: float) -> Tensor:
    """base + alpha t (mean of the models - base), t = n c / (1 + (n - 1) c), c the mean cosine between the
    models' differences to the base (Jang et al. 2024, arXiv 2403.19522, equation 2 and section 4.2; per
    tensor, as there).
    """
    differences = [model - base for model in models]
    mean = torch.stack(differences).mean(0) if len(differences) > 1 else differences[0]
    return torch.add(base, mean, alpha=alpha * _stock_ratio(differences))


def _stock_ratio(differences: list[Tensor]) -> float:
    norms = [float(_norm(difference)) for difference in differences]
    pairs = [(i, j) for i in range(len(norms)) for j in range(i) if norms[i] * norms[j]]
    if len(differences) == 1 or not pairs:
        return 1.0
    cosine = sum(float(_dot(differences[i], differences[j])) / (norms[i] * norms[j]) for i, j in pairs) / len(
        pairs
    )
    cosine = max(cosine, 0.0)  # at an obtuse angle the formula would leave the span of base and mean
    return len(norms) * cosine / (1 + (len(norms) - 1) * cosine)


def _by_similarity(a: Tensor, b: Tensor, similarity: Tensor, alpha: float) -> Tensor:
    fraction = (1 - (similarity - alpha).clamp(0, 1)).float()
    return torch.lerp(a, b, fraction.expand_as(a))


def _column_similarity(a: Tensor, b: Tensor) -> Tensor:
    """Along the first axis."""
    products = torch.sum(a * b, dim=0, dtype=torch.float64)
    norms = (torch.sum(a * a, 0, dtype=torch.float64) * torch.sum(b * b, 0, dtype=torch.float64)).sqrt()
    return products / norms.clamp(min=torch.finfo(torch.float64).tiny)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return torch.sum(a * b, dtype=torch.float64)


def _norm(a: Tensor) -> Tensor:
    return _dot(a, a).sqrt()
