"""Looks at the cropped pictures with the encoder of `vision`, a concept at a time. Features are kept by
picture.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.clusters.likeness import (
    Distances,
    clusters,
    mean_distance,
    near_pairs,
    oddness,
    proposed_repeats,
)
from pipeline.errors import UserError
from pipeline.pictures.records import PICTURE_FOLDER, Record
from pipeline.progress import progress
from pipeline.schemas import VisionConfig
from pipeline.store.items import Items, key
from pipeline.vision.encoders import Encoder, Features, encoder_model, open_encoder

VERSION = 1
"""Of the algorithm: raise it when features change."""
MOST_OF_A_CONCEPT = 5000
"""Of a concept: each pair is compared."""


@dataclass(frozen=True)
class Limits:
    """odd: robust z from which a picture is odd; near, together: shares of the concept's mean distance
    under which two are near duplicates, and up to which pictures form a cluster.
    """

    odd: float
    near: float
    together: float


@dataclass(frozen=True)
class OddPicture:
    record: Record
    z: float


@dataclass(frozen=True)
class NearPair:
    """`share`: its distance, as a share of the concept's mean distance."""

    first: Record
    second: Record
    share: float


@dataclass(frozen=True)
class Cluster:
    """Pictures that are alike, and the repeats proposed for each."""

    records: list[Record]
    repeats: int


@dataclass(frozen=True)
class ConceptLooks:
    """What was found in one concept."""

    concept: str
    pictures: int
    odd: list[OddPicture]
    near: list[NearPair]
    clusters: list[Cluster]


class Looker:
    """Features of pictures below `cropped`, by the configured encoder."""

    def __init__(self, config: VisionConfig, cropped: Path) -> None:
        model = encoder_model(config)
        if model is None:
            raise UserError(
                "vision.encoder is null: nothing looks at pictures; set `use: {vision: dinov2_small}` in"
                " params.yaml, or type `python -m pipeline.clusters use.vision=dinov2_small`"
            )
        self.model, self.batch, self.cropped, self.items = model, config.batch, cropped, Items("features")

    @cached_property
    def encoder(self) -> Encoder:
        return open_encoder(self.model, self.batch)

    def distances(self, records: Sequence[Record]) -> Distances:
        """[n, n] 1 - likeness, made symmetric."""
        features = np.concatenate([self._features(each) for each in progress(records, "features")])
        distances = 1 - self.encoder.likeness(features, features)
        distances = np.maximum((distances + distances.T) / 2, 0)
        np.fill_diagonal(distances, 0)
        return distances

    def _features(self, record: Record) -> Features:
        item_key = key(version=VERSION, model=self.model.sha256, picture=record.sha256)
        kept = self.items.get(item_key)
        if kept is None:
            with Image.open(self.cropped / PICTURE_FOLDER / record.file) as picture:
                made = self.encoder.features([picture.convert("RGB")])
            buffer = io.BytesIO()
            np.save(buffer, made, allow_pickle=False)
            kept = self.items.put(item_key, buffer.getvalue())
        features: Features = np.load(io.BytesIO(kept), allow_pickle=False)
        return features


def looks(looker: Looker, records: Sequence[Record], limits: Limits) -> list[ConceptLooks]:
    """Of each concept of the subject; mirrored crops are left out."""
    own = [each for each in records if not each.is_class and not each.origin.get("mirrored")]
    by_concept = groupby(sorted(own, key=lambda each: (each.concept, each.id)), key=lambda each: each.concept)
    return [_of_concept(looker, concept, list(several), limits) for concept, several in by_concept]


def _of_concept(looker: Looker, concept: str, records: list[Record], limits: Limits) -> ConceptLooks:
    if len(records) > MOST_OF_A_CONCEPT:
        raise UserError(
            f"{concept}: {len(records)} pictures; at most {MOST_OF_A_CONCEPT} of a concept are compared"
        )
    distances = looker.distances(records)
    middle = mean_distance(distances) or 1.0
    groups = clusters(distances, limits.together)
    repeats = proposed_repeats([len(group) for group in groups], sum(each.repeats for each in records))
    scores = zip(records, oddness(distances).tolist(), strict=True)
    odd = [OddPicture(record, round(z, 1)) for record, z in scores if z > limits.odd]
    return ConceptLooks(
        concept,
        len(records),
        sorted(odd, key=lambda each: (-each.z, each.record.id)),
        [
            NearPair(records[one], records[two], round(float(distances[one, two] / middle), 3))
            for one, two in near_pairs(distances, limits.near)
        ],
        [
            Cluster([records[index] for index in group], number)
            for group, number in zip(groups, repeats, strict=True)
        ],
    )
