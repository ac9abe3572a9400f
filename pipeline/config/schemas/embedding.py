"""The network option `embedding`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pipeline.config.schemas.group import Group, NonEmpty


def _distinct(entries: "list[EmbeddingWord]") -> "list[EmbeddingWord]":
    words = [entry.word.lower() for entry in entries]
    if twice := sorted({word for word in words if words.count(word) > 1}):
        raise ValueError(f"{', '.join(twice)} stands there twice (upper and lower case are one)")
    return entries


class EmbeddingWord(Group):
    # No spaces: captions are parted and shuffled as tags, and A1111 takes the file's name for the word.
    word: Annotated[str, Field(pattern=r"^[^\s,/\\]+$")]
    num_vectors: Annotated[int, Field(ge=1, le=75)]
    initial_text: str
    concept: NonEmpty | None


class Embedding(Group):
    name: Literal["embedding"]
    words: Annotated[list[EmbeddingWord], Field(min_length=1), AfterValidator(_distinct)]
    init: Literal["spread", "mean"]
    templates: NonEmpty | None

    def words_of(self, concept: str) -> list[str]:
        """Words that name what the concept's pictures show."""
        return [entry.word for entry in self.words if entry.concept in (None, concept)]
