from typing import Any

import pytest

from pipeline.config.rules.hypernetworks import misread_by_comfyui
from tests.pipeline.config.rules.composed import must_doubt

pytestmark = pytest.mark.usefixtures("root")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"use_layer_norm": True, "activation": "relu"}, "use_layer_norm without activate_output is misread"),
        ({"use_layer_norm": True, "activation": "relu", "activate_output": True}, ""),
        ({"use_layer_norm": True, "activation": "linear"}, ""),
        ({"activation": "relu"}, ""),
    ],
)
def test_d4_a_hypernetwork_that_comfyui_misreads_is_doubted(values: dict[str, Any], sentence: str) -> None:
    must_doubt(
        {"network": "hypernetwork"}, {f"network.{key}": value for key, value in values.items()}, sentence
    )


def test_d4_an_activation_beyond_comfyuis_nine() -> None:
    assert "activation gelu is unknown to ComfyUI" in str(misread_by_comfyui("gelu", True, False))
    assert misread_by_comfyui("swish", False, False) is None
