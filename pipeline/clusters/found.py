"""Looks at the cropped pictures with the encoder of `vision`, a concept at a time. Features are kept by
picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from pipeline.clusters.likeness import (
    Distances,
    clusters,
    mean_distance,
    near_pairs,
    oddness,
    proposed_repeats,
)
from pipeline.errors import UserError
from pipeline.pictures.records import Record
from pipeline.schemas import VisionConfig
from pipeline.vision.encoders import encoder_model
from pipeline.vision.kept_features import KeptFeatures

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
        self.kept, self.cropped = KeptFeatures(model, config.batch), cropped

    def distances(self, records: Sequence[Record]) -> Distances:
        """[n, n] 1 - likeness, made symmetric."""
        features = self.kept.of_records(records, self.cropped, "features")
        distances = 1 - self.kept.encoder.likeness(features, features)
        distances = np.maximum((distances + distances.T) / 2, 0)
        np.fill_diagonal(distances, 0)
        return distances


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
