"""Preservation without pictures: for captions of the class the network answers as its base alone.

    loss = l(answer, target) + preservation_weight * l(network(noisy, class), base(noisy, class))

`noisy` are the step's own latents, noise and levels. The base is the network switched off, without
gradients, so no second model is held. l is `noise.loss`, weighed by noise level like the step's own; masks
are for the subject and do not count here.

prior: class captions, as nerogar/OneTrainer's concepts of the type PRIOR_PREDICTION (modules/trainer/
GenericTrainer.py, `prior_model`), which puts them in batches of their own; here they join each step.
differential: the step's captions with the class in place of the trigger, as `diff_output_preservation` of
ostris/ai-toolkit (extensions_built_in/sd_trainer/SDTrainer.py), whose loss is this one with `noise.loss: l2`
and equal levels.

Cost: a pass without gradients and one with them, in addition to the step's own: (3 + 1 + 3) / 3 = 2.3 times
the operations, and the activations of two pictures where a step has one.
"""

import torch
from torch import Tensor

from pipeline.bases.base import Base
from pipeline.networks.network import AdapterNetwork
from pipeline.objectives.objective import Objective
from pipeline.schemas import Config
from pipeline.training.step import StepInputs, conditioning

TIMES_THE_OPERATIONS = 7 / 3
"""Of a step without preservation: a pass with gradients is three without."""
_CLASS = "class_"
"""Before the names of a step's inputs that belong to class captions."""


def is_preserved(inputs: StepInputs) -> bool:
    """Whether the step has class captions."""
    return f"{_CLASS}ids" in inputs or f"{_CLASS}tokens" in inputs


def preservation_losses(
    inputs: StepInputs, base: Base, network: AdapterNetwork, objective: Objective, config: Config
) -> Tensor:
    """[rows] errors of the network against its base, weighed by noise level."""
    answer = _answer(inputs, base, config)
    with torch.no_grad(), network.switched_off():
        known = _answer(inputs, base, config)
    levels = inputs["levels"]
    losses = objective.point_losses(answer, known, levels).mean(dim=(1, 2, 3))
    weights = objective.weights(levels)
    return losses if weights is None else losses * weights


def _answer(inputs: StepInputs, base: Base, config: Config) -> Tensor:
    """[rows, channels, h, w] the denoiser's answer for class captions."""
    texts = {name.removeprefix(_CLASS): each for name, each in inputs.items() if name.startswith(_CLASS)}
    sizes = {"sizes": inputs["sizes"]} if "sizes" in inputs else {}
    known = conditioning({**texts, **sizes}, base, config.base.clip_skip)
    return base.family.predict(base, inputs["noisy"], inputs["levels"], known).float()
