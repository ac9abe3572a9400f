"""data/cropped/ -> data/tags/tags.jsonl: raw scores of every tag, and a sentence; filter-tags applies
thresholds later.

In: data/cropped/, the taggers and the captioner. Out: data/tags/tags.jsonl, thresholds.json if the taggers'
files state thresholds, metrics/tag.json, plots/tag/{thresholds,tags}.csv. Reads the group `tag`. Deterministic: one picture per call on a CPU, scores
to five decimals. Kept by picture and model: a new picture costs one call, a new tagger only its own calls.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from pipeline.captions.counts import ScoreCounts
from pipeline.captions.ensemble import Ensemble
from pipeline.captions.interrogation import About, Interrogator
from pipeline.captions.labels import named_scores
from pipeline.captions.preprocessing import read_for_network, read_to_squash
from pipeline.command import run, start
from pipeline.files.atomic import new_folder, write_csv, write_json, write_jsonl
from pipeline.pictures.records import Record, Records
from pipeline.schemas import TagConfig
from pipeline.store.items import Items
from pipeline.vision.answers import Question, answers
from pipeline.vision.models import CAPTIONER_FILES, VisionModel, located
from pipeline.vision.taggers import open_tagger, tag_models
from stages import CROPPED

VERSION = 2
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


def tagged(
    records: Records, config: TagConfig, items: Items
) -> tuple[Iterator[dict[str, Any]], list[dict[str, Any]]]:
    """A row per picture, and a description of each model."""
    taggers, captioner = questions(config)
    answered = [answers(question, records, CROPPED, items, VERSION) for question in taggers]
    used = [(question.model, about) for question, (about, _) in zip(taggers, answered, strict=True)]
    ensemble = Ensemble([about.labels for about, _ in answered])
    sentence: Callable[[Record], str] | None = None
    if captioner:
        about, sentence = answers(captioner, records, CROPPED, items, VERSION)
        used.append((captioner.model, about))
    rows = (
        {
            "id": record.id,
            "concept": record.concept,
            "is_class": record.is_class,
            "caption": record.caption,
            "sentence": sentence(record) if sentence else None,
            "scores": ensemble.mean([scores(record) for _, scores in answered], config.min_score),
        }
        for record in records
    )
    return rows, [described(model, about) for model, about in used]


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

    def counted(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for row in rows:
            self.scores.add(row["scores"])
            self.sentences += row["sentence"] is not None
            yield row


def main(arguments: Sequence[str] = ()) -> None:
    job = start("tag", arguments)
    rows, models = tagged(Records(CROPPED), job.config.tag, Items("tag"))
    tally = TagTally()
    with new_folder(job.out / "data/tags") as folder:
        write_jsonl(folder / "tags.jsonl", tally.counted(rows))
    summary = {
        "pictures": tally.scores.pictures,
        "sentences": tally.sentences,
        "tags_over_half_mean": tally.scores.seen_mean(),
        "models": models,
    }
    write_json(job.out / "metrics/tag.json", summary)
    header = ("threshold", "general", "character")
    write_csv(job.out / "plots/tag/thresholds.csv", header, tally.scores.tags_by_threshold())
    write_csv(job.out / "plots/tag/tags.csv", ("tag", "category", "pictures"), tally.scores.most_seen())


if __name__ == "__main__":
    run(main)
