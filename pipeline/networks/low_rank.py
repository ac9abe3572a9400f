"""The best approximation of a change at a given rank: its largest singular values (Eckart and Young 1936).

change = U S V^T      up = U_r sqrt(S_r), down = sqrt(S_r) V_r^T

Both factors get the root of the singular values, so that neither leaves fp16's range.
"""

from typing import NamedTuple

import torch
from torch import Generator, Tensor

SVD_OVERSAMPLING, POWER_ITERATIONS = 16, 6
"""Of the randomised SVD (Halko, Martinsson & Tropp 2011, algorithm 4.4)."""


class Singular(NamedTuple):
    """U [out, r], S [r] descending, Vh [r, in] of a matrix."""

    u: Tensor
    s: Tensor
    vh: Tensor

    def factors(self, rank: int) -> tuple[Tensor, Tensor]:
        """(up [out, rank], down [rank, in]), the nearest pair of this rank."""
        root = self.s[:rank].sqrt()
        return self.u[:, :rank] * root, root[:, None] * self.vh[:rank]


def singular(matrix: Tensor) -> Singular:
    """Exact, of a whole matrix [out, in]."""
    return Singular(*torch.linalg.svd(matrix, full_matrices=False))


def singular_of_product(up: Tensor, down: Tensor) -> Singular:
    """Of up @ down, in float64, without forming the product: QR of both factors leaves an r x r matrix with
    the same SVD.
    """
    left, upper = torch.linalg.qr(up.double())
    right, lower = torch.linalg.qr(down.double().T)
    u, s, vh = torch.linalg.svd(upper @ lower.T)
    k = len(s)
    return Singular(left @ u[:, :k], s, vh[:k] @ right.T)


def largest_singular(matrix: Tensor, rank: int) -> Singular:
    """At least the `rank` largest: exact if the matrix is small, else by a randomised SVD from a fixed
    seed.
    """
    if min(matrix.shape) <= 4 * rank:
        return singular(matrix)
    return _randomised(matrix, rank + SVD_OVERSAMPLING)


def _randomised(matrix: Tensor, width: int) -> Singular:
    start = torch.randn((matrix.shape[1], width), generator=Generator().manual_seed(0))
    basis = torch.linalg.qr(matrix @ start).Q
    for _ in range(POWER_ITERATIONS):
        basis = torch.linalg.qr(matrix @ torch.linalg.qr(matrix.T @ basis).Q).Q
    u, s, vh = singular(basis.T @ matrix)
    return Singular(basis @ u, s, vh)
