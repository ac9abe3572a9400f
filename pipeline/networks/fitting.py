"""A file's adapter beside a layer of the base: made, or said not to fit, before it computes anything."""

from collections.abc import Mapping

from torch import Tensor, nn

from pipeline.networks.adapter import Adapter
from pipeline.networks.foreign.difference import Difference


class MisfitError(RuntimeError):
    """Leaves that are no whole adapter of the layer."""


def fitted(reader: type[Adapter], layer: nn.Module, weights: Mapping[str, Tensor]) -> Adapter:
    """The adapter of these leaves; MisfitError where one is missing, or has no shape for the layer."""
    shape = tuple(layer.get_parameter("weight").shape)
    if len(shape) == 1 and reader is not Difference:
        raise MisfitError(f"the layer is a norm, which {reader.__name__} does not change")
    if "dora_scale" in weights:
        _insist_on_magnitudes(tuple(weights["dora_scale"].shape), shape)
    try:
        return reader.from_weights(layer, weights)
    except (RuntimeError, LookupError, AssertionError, AttributeError, ValueError, TypeError) as error:
        raise MisfitError(" ".join(str(error).split())[:200] or "its leaves are of another layer") from error


def _insist_on_magnitudes(found: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """DoRA's: one an input or one an output, with the weight's axes."""
    ones = (1,) * (len(shape) - 2)
    if len(shape) < 2 or found not in ((1, shape[1], *ones), (shape[0], 1, *ones)):
        raise MisfitError(f"dora_scale is {list(found)}, and the weight {list(shape)}")
