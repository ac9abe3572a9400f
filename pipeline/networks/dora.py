"""DoRA (Liu et al. 2024, arXiv 2402.09353): learns the direction and magnitude of a weight's columns
separately.

    W' = m (W + change) / |W + change|      |.|: the norm of each column, that is, of each input channel

m [1, in] starts at |W|, so training starts from the base. In the gradient the norm is a constant (section 4.3
of the paper). File key: `<module>.dora_scale`. Norms are along the inputs, as in the paper, because
AUTOMATIC1111 reads nothing else (extensions-builtin/Lora/network.py); files with one magnitude per output
([out, 1], LyCORIS's default and peft's way) are read too.
"""

import torch
from torch import Tensor


def on_output(magnitude: Tensor) -> bool:
    """Whether a file's magnitudes are per output channel."""
    return magnitude.shape[1] == 1 and magnitude.shape[0] > 1


def norms(weight: Tensor, magnitude: Tensor) -> Tensor:
    """The weight's norms along the axis of the magnitudes, in their shape."""
    axes = [axis for axis in range(weight.dim()) if axis != (0 if on_output(magnitude) else 1)]
    result: Tensor = torch.linalg.vector_norm(weight, dim=axes, keepdim=True)
    return result


def magnitudes(weight: Tensor) -> Tensor:
    """[1, in] or [1, in, 1, 1]: the frozen weight's."""
    axes = [axis for axis in range(weight.dim()) if axis != 1]
    result: Tensor = torch.linalg.vector_norm(weight.detach().float(), dim=axes, keepdim=True)
    return result


def decomposed(weight: Tensor, magnitude: Tensor) -> Tensor:
    """The weight with its columns at the given magnitudes."""
    return weight * (magnitude / norms(weight, magnitude).detach())
