"""One module a stage of dvc.yaml, all of one shape: load the config, read, call the library, write."""

import sys
from pathlib import Path

from pipeline.same_bytes import fix_where_asked

CROPPED, NETWORKS = Path("data/cropped"), Path("models/network")
"""Folders that several stages read."""
HELD_OUT_FILE = Path("reports/training/held_out.json")
"""Ids of pictures of CROPPED that the training did not see."""

if sys.argv[:1] == ["-m"]:  # so `python -m` calls itself until it has found the stage, which loads torch
    fix_where_asked(sys.argv[1:])
