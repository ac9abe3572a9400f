"""Features of pictures, kept by picture and encoder: none is computed twice, wherever it is asked for."""

import io
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.pictures.records import PICTURE_FOLDER, Record
from pipeline.progress import progress
from pipeline.store.items import Items, key
from pipeline.vision.encoders import Encoder, Features, open_encoder
from pipeline.vision.models import VisionModel

VERSION = 1
"""Of the algorithm: raise it when features change."""


class KeptFeatures:
    """Opens the encoder only for pictures without features."""

    def __init__(self, model: VisionModel, batch: int) -> None:
        self.model, self.batch, self.items = model, batch, Items("features")

    @cached_property
    def encoder(self) -> Encoder:
        return open_encoder(self.model, self.batch)

    def of_records(self, records: Sequence[Record], folder: Path, doing: str) -> Features:
        """[pictures, features] of pictures below `folder`; `doing`: for the progress bar."""
        return np.concatenate([self._of_record(each, folder) for each in progress(records, doing)])

    def _of_record(self, record: Record, folder: Path) -> Features:
        def pictures() -> list[Image.Image]:
            with Image.open(folder / PICTURE_FOLDER / record.file) as picture:
                return [picture.convert("RGB")]

        return self._kept(key(version=VERSION, model=self.model.sha256, picture=record.sha256), pictures)

    def of_pictures(self, keys: Sequence[str], pictures: Callable[[], Sequence[Image.Image]]) -> Features:
        """[pictures, features] of pictures that `keys` identify."""
        return self._kept(key(version=VERSION, model=self.model.sha256, pictures=[*keys]), pictures)

    def _kept(self, item_key: str, pictures: Callable[[], Sequence[Image.Image]]) -> Features:
        kept = self.items.get(item_key)
        if kept is None:
            buffer = io.BytesIO()
            np.save(buffer, self.encoder.features(pictures()), allow_pickle=False)
            kept = self.items.put(item_key, buffer.getvalue())
        features: Features = np.load(io.BytesIO(kept), allow_pickle=False)
        return features
