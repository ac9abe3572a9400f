"""Adapters that other tools train and that are only read; each is a class with the `marks` of its files."""

from pipeline.networks.adapter import Adapter
from pipeline.networks.foreign.difference import Difference
from pipeline.networks.foreign.glora import Glora
from pipeline.networks.foreign.oft import Oft

FOREIGN: dict[str, type[Adapter]] = {"glora": Glora, "oft": Oft, "difference": Difference}
"""By family. The difference is last: its bias (`diff_b`) occurs with other algorithms, too."""
