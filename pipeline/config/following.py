"""Keys that follow another one: conf/ says `${train.caption_separator}`, and a value that the user gives
there holds for them too. A key that is set itself follows nothing.
"""

import re
from collections.abc import Collection
from typing import Any

REFERENCE = re.compile(r"\$\{([a-z_.]+)\}")
Values = dict[str, Any]


def follow(config: Values, given: Collection[str]) -> None:
    """Puts the values of others in place of references to them; `given` are the dotted keys that were set."""
    for group, values in config.items():
        for key, value in values.items() if isinstance(values, dict) else ():
            match = REFERENCE.fullmatch(value) if isinstance(value, str) else None
            if match and f"{group}.{key}" not in given:
                source, _, name = match[1].partition(".")
                values[key] = config[source][name]
