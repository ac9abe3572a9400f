"""A noise schedule with zero terminal SNR, for training and drawing."""

from torch import Tensor


def zero_terminal(alphas_cumprod: Tensor) -> Tensor:
    """alpha_bar with its root shifted and scaled to 0 at the last timestep, unchanged at the first (Lin et
    al. 2023, arXiv 2305.08891, algorithm 1).
    """
    root = alphas_cumprod.sqrt()
    first, last = root[0], root[-1]
    result: Tensor = ((root - last) * first / (first - last)) ** 2
    return result
