"""The optimiser over the parts' parameters, each part with its own rate."""

import torch
from torch import nn

from pipeline.config.schemas import Optimizer
from pipeline.networks.trained import by_rate_factor


def make_optimizer(config: Optimizer, parts: dict[str, list[nn.Parameter]]) -> torch.optim.Optimizer:
    """`parts`: parameters by part (`unet`, `text_encoder`); parts without parameters get no group, those with
    rate factors (by block, LoRA+) a group for each.
    """
    rates = {"unet": config.lr, "text_encoder": config.text_encoder_lr}
    groups = [
        {"params": chosen, "lr": rates[part] * factor, "name": part, "rate_factor": factor}
        for part, parameters in parts.items()
        for factor, chosen in by_rate_factor(parameters).items()
    ]
    beta1, beta2 = config.betas
    return torch.optim.AdamW(
        groups, betas=(beta1, beta2), eps=config.eps, weight_decay=config.weight_decay, fused=True
    )
