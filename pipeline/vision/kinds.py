"""Several kinds of caption for a picture, each the answer to a prompt of its own, kept by picture, model and
prompt.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.captions.preprocessing import read_fitted
from pipeline.errors import UserError, nearest
from pipeline.pictures.records import Record
from pipeline.schemas import TagConfig
from pipeline.store.items import Items
from pipeline.vision.answers import Question, answers
from pipeline.vision.models import VisionModel

if TYPE_CHECKING:
    from pipeline.vision.captioner import Captioner

VERSION = 1
"""Of the algorithm: raise it when texts change."""
TRIGGER, NO_TRIGGER = "{trigger}", "the subject"
ANSWER_SETTINGS = {
    "captioner_system", "captioner_max_tokens", "captioner_num_beams", "captioner_max_side_px",
    "captioner_dtype", "captioner_weights",
}  # fmt: skip
"""What texts depend on, apart from the model, the picture and the prompt."""


def captions_by_kind(
    model: VisionModel, config: TagConfig, records: Iterable[Record], source: Path, items: Items
) -> tuple[str, Callable[[Record], dict[str, Any]]]:
    """What kind of model it is; and {"captions": {kind: text}} of each picture."""
    insist_on_concepts(config, {record.concept for record in records})

    @cache
    def loaded() -> "Captioner":
        from pipeline.vision.captioner import Captioner

        return Captioner(model.path, config)

    layout, texts = "", dict[tuple[str, str], Callable[[Record], str]]()
    for kind, text in config.prompts().items():
        for prompt in sorted({prompt_of(text, record, config) for record in records}):
            question = _question(model, config, prompt, loaded)
            some = SamePrompt(records, text, config, prompt)
            about, texts[kind, prompt] = answers(question, some, source, items, VERSION)
            layout = about.layout

    def kinds(record: Record) -> dict[str, Any]:
        asked = {kind: prompt_of(text, record, config) for kind, text in config.prompts().items()}
        return {"captions": {kind: texts[kind, prompt](record) for kind, prompt in asked.items()}}

    return layout, kinds


def _question(
    model: VisionModel, config: TagConfig, prompt: str, loaded: Callable[[], "Captioner"]
) -> Question:
    def opened(_: Any) -> Any:
        from pipeline.vision.captioner import OnePrompt

        return OnePrompt(loaded(), prompt)

    return Question(
        model,
        opened=opened,
        read=lambda path, _: read_fitted(path, config.captioner_max_side_px),
        settings={"prompt": prompt, **config.model_dump(include=ANSWER_SETTINGS)},
        kept=lambda _, text: text,
        batch=config.captioner_batch,
    )


@dataclass(frozen=True)
class SamePrompt:
    """The records for which the text becomes this prompt, read anew on each iteration."""

    records: Iterable[Record]
    text: str
    config: TagConfig
    prompt: str

    def __iter__(self) -> Iterator[Record]:
        return (each for each in self.records if prompt_of(self.text, each, self.config) == self.prompt)


def prompt_of(text: str, record: Record, config: TagConfig) -> str:
    """The prompt with the picture's trigger; class pictures have none."""
    trigger = config.captioner_trigger
    word = trigger.get(record.concept) if isinstance(trigger, dict) else trigger
    return text.replace(TRIGGER, NO_TRIGGER if record.is_class or not word else word)


def insist_on_concepts(config: TagConfig, concepts: set[str]) -> None:
    """A trigger of a concept that no picture is of is a user error."""
    named = config.captioner_trigger if isinstance(config.captioner_trigger, dict) else {}
    if unknown := [
        f"tag.captioner_trigger: no picture is of the concept {name!r}; {nearest(name, sorted(concepts))}"
        for name in sorted(named.keys() - concepts)
    ]:
        raise UserError(*unknown)
