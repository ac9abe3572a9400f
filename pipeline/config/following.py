"""Keys that follow another one: with `${train.caption_separator}` in conf/, a key takes that key's value,
unless the user sets the key itself.
"""

import re
from collections.abc import Collection
from typing import Any

REFERENCE = re.compile(r"\$\{([a-z_.]+)\}")
ConfigValues = dict[str, Any]


def follow(config: ConfigValues, given: Collection[str]) -> None:
    """Replaces references by the values they point to; `given`: the dotted keys that the user set."""
    for group, values in config.items():
        for key, value in values.items() if isinstance(values, dict) else ():
            match = REFERENCE.fullmatch(value) if isinstance(value, str) else None
            if match and f"{group}.{key}" not in given:
                source, _, name = match[1].partition(".")
                values[key] = config[source][name]
