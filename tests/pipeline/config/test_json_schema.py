import json
from pathlib import Path

import pytest

from pipeline.config.json_schema import SCHEMA_FILE, json_schema

pytestmark = pytest.mark.usefixtures("root")


def test_the_committed_schema_is_what_would_be_generated() -> None:
    assert SCHEMA_FILE.read_text() == json_schema(), "run `make schema`"


def test_it_describes_and_restricts_what_an_editor_completes() -> None:
    schema = json.loads(json_schema())
    network = schema["$defs"]["AdapterNetworkConfig"]
    assert network["properties"]["dim"]["exclusiveMinimum"] == 0
    assert "Rank of the update" in network["properties"]["dim"]["description"]
    assert network["additionalProperties"] is False
    assert "lora" in schema["properties"]["use"]["properties"]["network"]["enum"]
    assert "required" not in network


def test_params_yaml_points_to_it() -> None:
    assert Path("params.yaml").read_text().startswith(f"# yaml-language-server: $schema={SCHEMA_FILE}")
