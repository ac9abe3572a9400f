"""What the encoder and the aesthetic head say of pictures: features, kept by content, and figures of each
picture. Torch is loaded only for an encoder of transformers, and only for pictures without features.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import UserError
from pipeline.grid.axes import Cell
from pipeline.grid.cell_store import CellStore
from pipeline.pictures.records import Record
from pipeline.schemas import VisionConfig
from pipeline.store.items import Items, key
from pipeline.verdict.drift_scale import DriftScale, drift_scale
from pipeline.verdict.measures import DRIFT, IDENTITY, LIKENESS, NEAREST_TRAINING, QUALITY
from pipeline.vision.aesthetic_head import LinearHead, OnnxScorer, aesthetic_model, open_head
from pipeline.vision.encoders import Encoder, Features, encoder_model
from pipeline.vision.kept_features import KeptFeatures

VERSION = 1
"""Of the algorithm: raise it when features or scores would change."""


class Eye:
    """`records`: the training's pictures in `cropped`; `held_out`: ids of those it was not trained on. With
    an aesthetic network alone it only scores.
    """

    def __init__(
        self,
        config: VisionConfig,
        store: CellStore,
        records: Sequence[Record],
        held_out: set[str],
        cropped: Path,
    ) -> None:
        self.config, self.store, self.cropped = config, store, cropped
        self.model, self.head_model = encoder_model(config), aesthetic_model(config)
        self.items = Items("sample_grid_features")
        self.trained = [each for each in records if each.id not in held_out]
        self.unseen = [each for each in records if each.id in held_out]

    def figures(self, cell: Cell) -> dict[str, list[float | None]]:
        """By measure, of each picture."""
        found = dict[str, list[float | None]]()
        if self.model and self.trained:
            found |= self._json(lambda: self._likeness(cell), kind="likeness", pictures=self.store.keys(cell))
        if self.head_model:
            found[QUALITY.name] = self._json(
                lambda: self._quality(cell), kind="quality", head=self.head_model.sha256,
                pictures=self.store.keys(cell),
            )  # fmt: skip
        return found

    def drift(self, cell: Cell, alone: Cell) -> dict[str, list[float | None]]:
        """Of each picture of `cell`, its distance from that of `alone` of the same prompt and seed."""
        if self.model is None:
            return {}

        def make() -> list[float]:
            pairs = zip(self.features(cell), self.features(alone), strict=True)
            return _rounded([1 - self.encoder.likeness(one[None], two[None])[0, 0] for one, two in pairs])

        both = [self.store.keys(cell), self.store.keys(alone)]
        return {DRIFT.name: self._json(make, kind="drift", pictures=both)}

    def drift_scale(self, alone: Cell) -> DriftScale | None:
        """Of the base's own pictures in a cell of drift prompts."""
        if self.model is None:
            return None

        def make() -> list[list[float]]:
            features = self.features(alone)
            return [_rounded(row) for row in 1 - self.encoder.likeness(features, features)]

        kept = self._json(make, kind="distances", pictures=self.store.keys(alone))
        prompts = [alone.prompts.index(job.prompt) for job in alone.jobs]
        return drift_scale(np.array(kept), prompts)

    @cached_property
    def ceiling(self) -> float | None:
        """Mean likeness of a real picture of the subject to the nearest other one."""
        if self.model is None or len(self.trained) < 2:
            return None

        def make() -> float:
            if self.unseen:
                return float(self.encoder.likeness(self.reference, self.training).max(axis=1).mean())
            likeness = self.encoder.likeness(self.training, self.training)
            np.fill_diagonal(likeness, -np.inf)
            return float(likeness.max(axis=1).mean())

        return float(self._json(make, kind="ceiling"))

    def _likeness(self, cell: Cell) -> dict[str, list[float]]:
        features = self.features(cell)
        likeness = self.encoder.likeness(features, self.reference)
        nearest = self.encoder.likeness(features, self.training).max(axis=1)
        return {
            IDENTITY.name: _rounded(likeness.max(axis=1)),
            LIKENESS.name: _rounded(likeness.mean(axis=1)),
            NEAREST_TRAINING.name: _rounded(nearest),
        }

    def _quality(self, cell: Cell) -> list[float]:
        if isinstance(self.head, LinearHead):
            return _rounded(self.head.scores(self.features(cell)))
        return _rounded(self.head.scores(self.store.pictures(cell)))

    @cached_property
    def reference(self) -> Features:
        """Features of the held-out pictures; of the training's where none are held out."""
        return self._of_records(self.unseen or self.trained)

    @cached_property
    def training(self) -> Features:
        return self._of_records(self.trained)

    def features(self, cell: Cell) -> Features:
        """[pictures, features]."""
        return self.kept.of_pictures(self.store.keys(cell), lambda: self.store.pictures(cell))

    def _of_records(self, records: Sequence[Record]) -> Features:
        return self.kept.of_records(records, self.cropped, "training pictures: features")

    def _json(self, make: Callable[[], Any], **parts: Any) -> Any:
        """Kept with what it depends on: the encoder, the training's pictures, and `parts`."""
        own = {
            "encoder": self.model.sha256 if self.model else None,
            "trained": [each.sha256 for each in self.trained],
            "unseen": [each.sha256 for each in self.unseen],
        }
        return self.items.json(key(version=VERSION, **own, **parts), make)

    @cached_property
    def kept(self) -> KeptFeatures:
        assert self.model is not None
        return KeptFeatures(self.model, self.config.batch)

    @property
    def encoder(self) -> Encoder:
        return self.kept.encoder

    @cached_property
    def head(self) -> LinearHead | OnnxScorer:
        assert self.head_model is not None
        head = open_head(self.head_model)
        if isinstance(head, LinearHead) and self.model is None:
            raise UserError(
                f"vision.aesthetic {head.path} is a head on an encoder's features, but vision.encoder is"
                " null; set vision.encoder to the head's own encoder"
            )
        return head


def _rounded(values: Iterable[Any]) -> list[float]:
    return [round(float(each), 5) for each in values]
