"""The places of a grid for the verdict."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.grid.choice import Scored
from pipeline.grid.places import NO_WEIGHT, places_of
from tests.pipeline.grid.test_manifest import PLAIN, scored


@pytest.mark.parametrize(("weight", "against"), [(0.0, [NO_WEIGHT]), (0.5, []), (-0.5, [])])
def test_a_network_at_weight_0_is_never_as_good_as_one_that_acts(weight: float, against: list[str]) -> None:
    network = Path("net.safetensors")
    scores: dict[object, Scored] = {replace(PLAIN, network=network, weight=weight): scored(0.5)}
    [place], _ = places_of(scores, {}, {network: 5})  # type: ignore[arg-type]
    assert place.against == against
