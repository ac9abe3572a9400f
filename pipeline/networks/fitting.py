"""Puts a file's adapter on a layer of the base, or reports that it does not fit, before anything is
computed.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from pipeline.networks.adapter import Adapter
from pipeline.networks.foreign.difference import Difference


class MisfitError(RuntimeError):
    """Leaves that are not a complete adapter of the layer."""


def fitted(reader: type[Adapter], layer: nn.Module, weights: Mapping[str, Tensor]) -> Adapter:
    """The adapter of these leaves. Raises MisfitError if one is missing or its shape does not fit the
    layer.
    """
    shape = tuple(layer.get_parameter("weight").shape)
    if len(shape) == 1 and reader is not Difference:
        raise MisfitError(f"the layer is a norm, which {reader.__name__} does not change")
    if "dora_scale" in weights:
        _insist_on_magnitudes(tuple(weights["dora_scale"].shape), shape)
    try:
        return reader.from_weights(layer, weights)
    except (RuntimeError, LookupError, AssertionError, AttributeError, ValueError, TypeError) as error:
        raise MisfitError(" ".join(str(error).split())[:200] or "its leaves fit another layer") from error


def _insist_on_magnitudes(magnitudes: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """DoRA's magnitudes: one per input or one per output, with the weight's axes."""
    ones = (1,) * (len(shape) - 2)
    if len(shape) < 2 or magnitudes not in ((1, shape[1], *ones), (shape[0], 1, *ones)):
        raise MisfitError(f"dora_scale is {list(magnitudes)}, and the weight {list(shape)}")
