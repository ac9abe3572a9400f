"""Draws a grid's cells: loads bases and networks, merges, draws. It does not know what is stored."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from PIL import Image

from pipeline.bases.base import Base
from pipeline.bases.prediction import V, trained_to_zero_snr
from pipeline.device import make_repeatable
from pipeline.drawing.aesthetic import Aesthetic
from pipeline.drawing.library import Library, set_weight
from pipeline.drawing.named_files import NO_FILES, NamedFiles
from pipeline.drawing.precision import base_to_draw
from pipeline.drawing.text_to_image import draw
from pipeline.grid.axes import Cell
from pipeline.grid.merge_axes import Sweep, Variation
from pipeline.merging.in_memory import MergedBase
from pipeline.networks.aesthetic import AestheticEmbedding
from pipeline.networks.checkpoint import FullFineTune
from pipeline.networks.families import load
from pipeline.networks.trained import Trainable
from pipeline.prompts.settings import PictureJob
from pipeline.schemas import BaseConfig
from pipeline.schemas.group import DrawingPrecision


class GridRenderer:
    """Loads a base only to draw with it, and a network once for all its weights.

    `files`: networks and embeddings that prompts may call. `sweep`: the recipe of merged cells.
    `model_offload`: parts wait in the machine's memory while others work.
    """

    def __init__(
        self, files: NamedFiles = NO_FILES, sweep: Sweep | None = None, model_offload: bool = False
    ) -> None:
        make_repeatable()
        self.library, self.sweep, self.model_offload = Library(files), sweep, model_offload
        self._merged: tuple[Variation, MergedBase] | None = None
        self._loaded: tuple[BaseConfig, Base] | None = None
        self._network: tuple[Path, Base, Trainable] | None = None

    def draw(self, config: BaseConfig, cell: Cell, jobs: Sequence[PictureJob]) -> list[Image.Image]:
        """Draws `jobs` of the cell together. `config`: the cell's base."""
        base = self._load_base(config, cell.settings.precision)
        aesthetic = None
        self._merge(base, cell.merge)
        with ExitStack() as stack:
            if cell.network:
                network = self._load_network(cell.network, base)
                set_weight(network, base, cell.weight, cell.blocks)
                stack.enter_context(network.attached(base))
                if isinstance(network, AestheticEmbedding):
                    aesthetic = _aesthetic(network)
            return list(draw(_as_trained(base, cell.network), jobs, cell.settings, self.library, aesthetic))

    def _merge(self, base: Base, variation: Variation | None) -> None:
        """Merges the cell's variation into the loaded base, unless it is there already."""
        before, merged = self._merged or (None, None)
        if before == variation:
            return
        self._network = None  # some networks hold values computed from the base's weights
        self._merged = None
        assert self.sweep
        merged = merged or MergedBase(self.sweep.merges, base)
        if variation is None:
            merged.become(None)
        else:
            merged.become(self.sweep.overrides(variation))
            self._merged = variation, merged

    def _load_base(self, config: BaseConfig, precision: DrawingPrecision) -> Base:
        if self._loaded is None or self._loaded[0] != config:
            self._loaded = self._network = self._merged = None  # frees memory before the next one loads
            self._loaded = config, base_to_draw(config, precision, self.model_offload, "sample_grid")
        return self._loaded[1]

    def _load_network(self, path: Path, base: Base) -> Trainable:
        if self._network is None or self._network[:2] != (path, base):
            self._network = None
            network = load(path, base)
            if isinstance(network, FullFineTune):  # its weights take the place of the base's
                network.to(next(base.denoiser.parameters()))
            else:
                network.to(base.device)
            self._network = path, base, network
        return self._network[2]


def _as_trained(base: Base, network: Path | None) -> Base:
    """The base with the noise schedule that the network was trained with."""
    if base.predicts_v and trained_to_zero_snr(network):
        return base.predicting(V, zero_terminal_snr=True)
    return base


def _aesthetic(network: AestheticEmbedding) -> Aesthetic:
    return Aesthetic(
        embedding=network.embedding,
        projection=network.projection,
        weight=network.network_weight,
        steps=network.steps,
        lr=network.lr,
        slerp=network.slerp,
    )
