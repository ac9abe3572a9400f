"""Answers of a vision-language model to `sample_grid.questions` about a cell's pictures, kept by picture and
question. Torch is loaded only for a picture without an answer.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING, Any

from pipeline.errors import warn
from pipeline.grid.asked import asked_of
from pipeline.grid.axes import Cell
from pipeline.grid.cell_store import CellStore
from pipeline.schemas import VisionConfig
from pipeline.schemas.questions import YesNoQuestion, read_question
from pipeline.store.items import Items, computed_key
from pipeline.verdict.measures import ANSWERS
from pipeline.vision.questioner_model import QUESTIONER_SETTINGS, questioner_model

if TYPE_CHECKING:
    from pipeline.vision.questioner import Questioner, YesShare

VERSION = 1
"""Of the algorithm: raise it when answers would change."""
PROMPT_OF_PICTURE = "{prompt}"
"""In a question, the picture's own prompt, without weights and the like."""
LEAST_SAID = 0.5
"""If it begins its answers less often than that with yes or no, its answers mean little."""


class Answers:
    """`questions`: as they are configured."""

    def __init__(self, config: VisionConfig, questions: Sequence[str], store: CellStore) -> None:
        self.config, self.store = config, store
        self.questions = [read_question(each) for each in questions]
        self.model = questioner_model(config) if questions else None
        self.items = Items("sample_grid_answers")
        self._doubted = set[str]()

    def figures(self, cell: Cell) -> dict[str, list[float | None]]:
        """Of each picture, how likely the answer is the expected one, the mean over the questions."""
        if not self.questions:
            return {}
        by_question = [self._expected(question, cell) for question in self.questions]
        return {ANSWERS.name: [round(fmean(each), 5) for each in zip(*by_question, strict=True)]}

    def _expected(self, question: YesNoQuestion, cell: Cell) -> list[float]:
        found = self.shares(question.text, cell)
        self._doubt(question.text, found)
        return [each["yes"] if question.expects_yes else 1 - each["yes"] for each in found]

    def content(self, proposed: Sequence[Cell], alone: Sequence[Cell]) -> dict[str, Any]:
        """For verdict.json: each question with how likely the right answer is, for the proposed place and the
        base alone; None for one that was not drawn. Empty without questions.
        """
        rows = [
            {
                "question": each.text,
                "expected": "yes" if each.expects_yes else "no",
                "proposed": self._mean(each, proposed),
                "base": self._mean(each, alone),
            }
            for each in self.questions
        ]
        return {"questions": rows} if rows else {}

    def _mean(self, question: YesNoQuestion, cells: Sequence[Cell]) -> float | None:
        found = [share for cell in cells for share in self._expected(question, cell)]
        return round(fmean(found), 4) if found else None

    def shares(self, question: str, cell: Cell) -> list[dict[str, float]]:
        """{"yes", "said"} of each picture; asks about those that have none."""
        asked = [question.replace(PROMPT_OF_PICTURE, prompt) for prompt in asked_of(cell)]
        keys = [self._key(*each) for each in zip(asked, self.store.keys(cell), strict=True)]
        missing = [number for number, each in enumerate(keys) if not self.items.has(each)]
        pictures = self.store.pictures(cell) if missing else []
        for text in dict.fromkeys(asked[number] for number in missing):
            alike = [number for number in missing if asked[number] == text]
            made = self.questioner.answers(text, [pictures[number] for number in alike])
            for number, share in zip(alike, made, strict=True):
                self.items.put(keys[number], _text(share))
        return [json.loads(self.items.read(each)) for each in keys]

    def _key(self, question: str, picture: str) -> str:
        assert self.model is not None  # a rule: questions need a model
        settings = self.config.model_dump(include=QUESTIONER_SETTINGS)
        return computed_key(
            version=VERSION, model=self.model.sha256, question=question, picture=picture, **settings
        )

    def _doubt(self, question: str, found: Sequence[dict[str, float]]) -> None:
        """Warns once of a question that the model does not answer."""
        said = fmean(each["said"] for each in found)
        if said < LEAST_SAID and question not in self._doubted:
            self._doubted.add(question)
            warn(
                f"sample_grid.questions {question!r}: only {said:.0%} of the model's answers begin with yes"
                " or no; ask more plainly, or use another vision.questioner"
            )

    @cached_property
    def questioner(self) -> "Questioner":
        from pipeline.vision.questioner import Questioner

        assert self.model is not None
        return Questioner(self.model.path, self.config)


def _text(share: "YesShare") -> bytes:
    return json.dumps({name: round(value, 6) for name, value in asdict(share).items()}).encode()
