"""params.yaml as a file of decisions: its groups are the entries, and a group keeps its comments."""

from pipeline.config.compose import PARAMS
from pipeline.errors import UserError
from pipeline.files.yaml_text import parse_yaml
from pipeline.workbench.decisions import DecisionFile, Values
from pipeline.workbench.kept_comments import in_place


def groups_of(text: str) -> Values:
    """The groups and single settings of params.yaml."""
    content = parse_yaml(text, str(PARAMS)) if text.strip() else {}
    if not isinstance(content or {}, dict):
        raise UserError(f"{PARAMS} holds no groups of settings; get it back from git")
    return dict(content or {})


SETTINGS = DecisionFile("params", PARAMS, groups_of, lambda _name, _value: [], in_place)
"""What a value may be says the composer, in a process of its own."""
