"""Adapters that other tools train and that are read alone: each is a class with the `marks` of its files."""

from pipeline.networks.adapter import Adapter
from pipeline.networks.foreign.difference import Difference
from pipeline.networks.foreign.glora import Glora
from pipeline.networks.foreign.oft import Oft

FOREIGN: dict[str, type[Adapter]] = {"glora": Glora, "oft": Oft, "difference": Difference}
"""By family. A difference is the last: its bias (`diff_b`) stands beside other algorithms', too."""
