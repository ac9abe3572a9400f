"""The hash of a stage's code: only what its results depend on.

A stage's code is its module and every file of the project that it imports (closure.py). Comments,
docstrings, layout and the texts of messages do not count (meaning.py), so that rewording one reruns only
`compose`. In a folder of alternatives only the files that the configuration chooses count (choices.py): a
change in `loha.py` does not retrain a LoRA.

`compose` writes the hashes under `code:` into params.resolved.yaml, and each stage lists its own in dvc.yaml.
"""

import hashlib
from collections.abc import Sequence

from pipeline.code.closure import closure, hash_of
from pipeline.schemas import Config

__all__ = ["closure", "code_of"]


def code_of(stage: str, config: Config, groups: Sequence[str]) -> str:
    """SHA-256 of the stage's code under the whole configuration; `groups`: the ones the stage may read."""
    digest = hashlib.sha256()
    for name in closure(stage, config, groups):
        digest.update(f"{name}\0{hash_of(name)}\0".encode())
    return digest.hexdigest()
