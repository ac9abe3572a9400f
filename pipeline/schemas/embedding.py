"""The network option `embedding`."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from pipeline.files.names import plain_name
from pipeline.schemas.group import Group, NonEmpty


def _distinct(words: list[str]) -> list[str]:
    lower = [word.lower() for word in words]
    if twice := sorted({word for word in lower if lower.count(word) > 1}):
        raise ValueError(f"{', '.join(twice)} is listed twice (case is ignored)")
    return words


# No spaces: captions are split into tags and shuffled, and in A1111 the file's name is the word.
EmbeddingWord = Annotated[str, Field(pattern=r"^[^\s,/\\]+$")]
FileWord = Annotated[EmbeddingWord, AfterValidator(plain_name)]
NumVectors = Annotated[int, Field(ge=1, le=75)]


class EmbeddingConfig(Group):
    """New words for the text encoder, a few vectors each."""

    name: Literal["embedding"]
    words: Annotated[list[FileWord], Field(min_length=1), AfterValidator(_distinct)]
    num_vectors: NumVectors | dict[EmbeddingWord, NumVectors]
    initial_text: str | dict[EmbeddingWord, str]
    init: Literal["spread", "mean"]
    concepts: dict[EmbeddingWord, NonEmpty]
    templates: NonEmpty | None

    @model_validator(mode="after")
    def _names_words(self) -> Self:
        for key in ("num_vectors", "initial_text", "concepts"):
            value = getattr(self, key)
            named = set(value) if isinstance(value, dict) else set(self.words)
            if unknown := sorted(named - set(self.words)):
                raise ValueError(f"{key} names {', '.join(unknown)}, which is not in `words`")
            if key != "concepts" and (missing := sorted(set(self.words) - named)):
                raise ValueError(f"{key} lacks {', '.join(missing)}; give it for every word of `words`")
        return self

    def num_vectors_of(self, word: str) -> int:
        return self.num_vectors[word] if isinstance(self.num_vectors, dict) else self.num_vectors

    def initial_text_of(self, word: str) -> str:
        return self.initial_text[word] if isinstance(self.initial_text, dict) else self.initial_text

    def words_of(self, concept: str) -> list[str]:
        """Words for the concept's pictures."""
        return [word for word in self.words if self.concepts.get(word, concept) == concept]
