"""Everything that the workbench starts: fixed lists of arguments, never a shell."""

import re
import sys

from pipeline.config.graph_file import DVC_YAML, stage_entries
from pipeline.errors import UserError, nearest

PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
"""A stage's name that cannot be taken for an option."""
DVC = (sys.executable, "-m", "dvc")
STATUS = (*DVC, "status", "--json")
QUEUED = (sys.executable, "-m", "pipeline.sweep.queued")
"""`check`: reads overrides from its input; `run FILE`: runs one job."""


def repro(stage: str | None) -> list[str]:
    """`dvc repro [stage]`: the stage is one of dvc.yaml's."""
    if stage is None:
        return [*DVC, "repro"]
    names = [name for name in stage_entries() if PLAIN_NAME.fullmatch(name)]
    if stage not in names:
        raise UserError(f"{DVC_YAML} has no stage {stage[:80]!r}; {nearest(stage, names)}")
    return [*DVC, "repro", names[names.index(stage)]]
