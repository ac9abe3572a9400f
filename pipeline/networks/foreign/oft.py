"""Orthogonal fine-tuning (Qiu et al. 2023, arXiv 2306.07280): blocks of the outputs are rotated. BOFT (Liu et
al. 2023, arXiv 2311.06243): several such rotations, each of outputs further apart.

    W' = s R^T W      R = (I + Q) (I - Q)^-1, Q = B - B^T, for each [size, size] block B; s: `rescale`

Q's norm is limited to alpha times the number of outputs if alpha is not 0 (kohya-ss/sd-scripts
networks/oft.py, KohakuBlueleaf/LyCORIS lycoris/modules/diag_oft.py). BOFT rotates by R, not by R^T (ibid.,
boft.py). File keys: `<module>.oft_blocks` [blocks, size, size] or, for BOFT, [rotations, blocks, size, size];
`rescale`; `alpha`.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pipeline.networks.adapter import Adapter, in_fp32

DIAGONAL, BUTTERFLY = 3, 4
"""Number of axes of the blocks."""


class Oft(Adapter):
    """The rotations of one layer's outputs."""

    marks = ("oft_blocks",)
    of_base = True
    rescale: nn.Parameter | None

    def __init__(self, target: nn.Module, blocks: tuple[int, ...], has_scale: bool) -> None:
        super().__init__(target)
        if len(blocks) not in (DIAGONAL, BUTTERFLY) or blocks[-1] != blocks[-2]:
            raise RuntimeError(f"oft_blocks is {list(blocks)}, not [..., size, size]")
        out, *inner = self.layer.weight.shape
        self.oft_blocks = nn.Parameter(torch.zeros(blocks))
        scale = nn.Parameter(torch.ones(out, *[1] * len(inner))) if has_scale else None
        self.register_parameter("rescale", scale)
        self.register_buffer("alpha", torch.tensor(0.0))

    @classmethod
    @torch.no_grad()
    def from_weights(cls, target: nn.Module, weights: Mapping[str, Tensor]) -> Adapter:
        made = cls(target, tuple(weights["oft_blocks"].shape), "rescale" in weights).filled(weights)
        made.change()  # fails here if shapes do not fit
        return made

    def update(self, x: Tensor) -> Tensor:
        return self.applied(x, self.network_weight * self.change())

    @in_fp32
    def change(self) -> Tensor:
        weight = self.layer.weight.float()
        turned, rotations = weight, self._rotations(len(weight))
        if rotations.dim() == DIAGONAL:
            turned = _turned(turned, rotations.mT)
        else:
            for level, rotation in enumerate(rotations):
                turned = _butterfly(turned, rotation, level)
        return (turned if self.rescale is None else turned * self.rescale) - weight

    def _rotations(self, num_outputs: int) -> Tensor:
        """Cayley's transform of every block."""
        q = self.oft_blocks - self.oft_blocks.mT
        limit, norm = float(self.get_buffer("alpha")) * num_outputs, float(q.detach().norm()) + 1e-8
        if 0 < limit < norm:
            q = q * (limit / norm)
        eye = torch.eye(q.shape[-1], dtype=q.dtype, device=q.device)
        rotations: Tensor = (eye + q) @ torch.linalg.inv(eye - q)
        return rotations


def _turned(weight: Tensor, rotations: Tensor) -> Tensor:
    """Block b of the outputs multiplied by rotation b."""
    parts = weight.reshape(*rotations.shape[:2], *weight.shape[1:])
    return torch.einsum("bij,bj...->bi...", rotations, parts).reshape(weight.shape)


def _butterfly(weight: Tensor, rotations: Tensor, level: int) -> Tensor:
    """Outputs 2^level half blocks apart share a block."""
    apart, inner = 2**level * (rotations.shape[1] // 2), weight.shape[1:]
    shuffled = weight.reshape(-1, 2, apart, *inner).transpose(1, 2).reshape(weight.shape)
    turned = _turned(shuffled, rotations)
    return turned.reshape(-1, apart, 2, *inner).transpose(1, 2).reshape(weight.shape)
