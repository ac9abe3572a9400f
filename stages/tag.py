"""data/cropped/ -> data/tags/tags.jsonl: raw scores of every tag, and sentences; filter-tags applies
thresholds later.

In: data/cropped/, the taggers and the captioners. Out: data/tags/tags.jsonl, and thresholds.json if the
taggers' files state thresholds, metrics/tag.json, plots/tag/{thresholds,tags}.csv. Reads the group `tag`.
Deterministic: one picture per call on a CPU, scores to three decimals, texts without chance. Kept by picture
and model: a new picture costs one call, a new tagger only its own calls.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.captions.counts import ScoreCounts
from pipeline.captions.ensemble import Ensemble
from pipeline.captions.interrogation import About, Interrogator
from pipeline.captions.labels import named_scores
from pipeline.captions.preprocessing import read_for_network, read_to_squash
from pipeline.captions.thresholds import THRESHOLDS_OF_RUN, mean_thresholds
from pipeline.command import run, start
from pipeline.errors import warn
from pipeline.files.atomic import new_folder, write_csv, write_json, write_jsonl
from pipeline.pictures.records import Record, Records
from pipeline.schemas import TagConfig
from pipeline.store.items import Items
from pipeline.vision.answers import Question, answers
from pipeline.vision.kinds import captions_by_kind
from pipeline.vision.models import CAPTIONER_FILES, VLM_FILES, VisionModel, located
from pipeline.vision.taggers import open_tagger, tag_models
from stages import CROPPED

VERSION = 3
"""Of the algorithm: raise it when scores or sentences change."""


def scores_of(model: VisionModel, config: TagConfig) -> Question:
    """{category: {name: score}} of a picture."""
    return Question(
        model,
        opened=lambda known: open_tagger(model, config.batch, known),
        read=read_for_network,
        settings={"min_score": config.min_score},
        kept=lambda about, scores: named_scores(about.labels, scores, config.min_score),
        batch=config.batch,
    )


def sentence_of(model: VisionModel, config: TagConfig) -> Question:
    """The sentence of a picture."""

    def opened(_: About | None) -> Interrogator:
        from pipeline.vision.blip import Blip

        return Blip(model.path, config)

    return Question(
        model,
        opened=opened,
        read=read_to_squash,
        settings=config.model_dump(include={"sentence_prompt", "num_beams", "min_length", "max_length"}),
        kept=lambda _, sentence: sentence,
        batch=config.batch,
    )


def questions(config: TagConfig) -> tuple[list[Question], Question | None]:
    """The questions to each tagger and to the captioner."""
    taggers = [scores_of(model, config) for model in tag_models(config)]
    if config.sentence_model is None:
        return taggers, None
    captioner = located("tag.sentence_model", config.sentence_model, config.sentence_sha256, CAPTIONER_FILES)
    return taggers, sentence_of(captioner, config)


@dataclass(frozen=True)
class Tagged:
    """A row per picture, a description of each model, and the thresholds that the taggers' files state."""

    rows: Iterator[dict[str, Any]]
    models: list[dict[str, Any]]
    thresholds: dict[str, float]


def tagged(records: Records, config: TagConfig, items: Items) -> Tagged:
    """Asks the models for what is missing."""
    taggers, captioner = questions(config)
    answered = [answers(question, records, CROPPED, items, VERSION) for question in taggers]
    used = [(question.model, about) for question, (about, _) in zip(taggers, answered, strict=True)]
    ensemble = Ensemble([about.labels for about, _ in answered])
    sentence: Callable[[Record], str] | None = None
    if captioner:
        about, sentence = answers(captioner, records, CROPPED, items, VERSION)
        used.append((captioner.model, about))
    models = [described(model, about) for model, about in used]
    kinds: Callable[[Record], dict[str, Any]] = lambda _: {}  # noqa: E731
    if config.captioner is not None:
        model = located("tag.captioner", config.captioner, config.captioner_sha256, VLM_FILES)
        layout, kinds = captions_by_kind(model, config, records, CROPPED, items)
        models.append({"name": model.name, "layout": layout, "kinds": sorted(config.captioner_kinds)})
    rows = (
        {
            "id": record.id,
            "concept": record.concept,
            "is_class": record.is_class,
            "caption": record.caption,
            "sentence": sentence(record) if sentence else None,
            "scores": ensemble.mean([scores(record) for _, scores in answered], config.min_score),
        }
        | kinds(record)
        for record in records
    )
    return Tagged(rows, models, mean_thresholds(about.thresholds for about, _ in answered))


def described(model: VisionModel, about: About) -> dict[str, Any]:
    """How the model was used: scores of two preprocessings cannot be compared."""
    return {
        "name": model.name,
        "layout": about.layout,
        "preprocessing": about.preprocessing,
        "side_px": about.side_px,
        "labels": len(about.labels),
    }


class TagTally:
    """Counts over the rows as they pass."""

    def __init__(self) -> None:
        self.scores, self.sentences = ScoreCounts(), 0
        self.kinds, self.empty = Counter[str](), Counter[str]()

    def counted(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for row in rows:
            self.scores.add(row["scores"])
            self.sentences += row["sentence"] is not None
            for kind, text in row.get("captions", {}).items():
                (self.kinds if text else self.empty).update([kind])
            yield row

    def summary(self) -> dict[str, Any]:
        """For metrics/tag.json."""
        counts = {
            "pictures": self.scores.pictures,
            "sentences": self.sentences,
            "tags_over_half_mean": self.scores.seen_mean(),
        }
        return counts | ({"captions": dict(sorted(self.kinds.items()))} if self.kinds else {})


def main(arguments: Sequence[str] = ()) -> None:
    job = start("tag", arguments)
    done, tally = tagged(Records(CROPPED), job.config.tag, Items("tag")), TagTally()
    with new_folder(job.out / "data/tags") as folder:
        write_jsonl(folder / "tags.jsonl", tally.counted(done.rows))
        if done.thresholds:
            write_json(folder / THRESHOLDS_OF_RUN, done.thresholds)
    for kind, number in sorted(tally.empty.items()):
        warn(f"tag.captioner wrote no {kind} for {number} pictures; they are shown with their other captions")
    write_json(job.out / "metrics/tag.json", tally.summary() | {"models": done.models})
    header = ("threshold", "general", "character")
    write_csv(job.out / "plots/tag/thresholds.csv", header, tally.scores.tags_by_threshold())
    write_csv(job.out / "plots/tag/tags.csv", ("tag", "category", "pictures"), tally.scores.most_seen())


if __name__ == "__main__":
    run(main)
