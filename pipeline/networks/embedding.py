"""Embedding (textual inversion; Gal et al. 2022, arXiv 2208.01618): new token vectors, all else frozen.

    a photo of zib    -->  a  photo  of  v1 v2 .. vn  -->  text encoder (frozen)  -->  U-Net (frozen)

A word becomes n vectors, each in place of one token. They are not rows of the token table, so the optimiser's
weight decay cannot reach the table, and no tokenizer changes.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import CLIPTokenizer

from pipeline.bases.base import Base
from pipeline.bases.new_tokens import new_rows
from pipeline.bases.parts import Part
from pipeline.bases.tokens import body_ids
from pipeline.errors import UserError
from pipeline.files.embedding_file import embedding_metadata, embedding_tensors, read_embeddings
from pipeline.files.safetensors_file import PRECISIONS
from pipeline.networks.base_family import stamped_architecture
from pipeline.networks.trained import CompanionFile, Trainable
from pipeline.schemas import EmbeddingConfig


class Embedding(nn.Module, Trainable):
    """One or several words, each with its vectors [num_vectors, width]; for several text encoders a vector is
    as wide as all of them together. `network_weight` scales the vectors: 1 as trained.
    """

    network_weight: float = 1.0

    def __init__(
        self, vectors: Mapping[str, Tensor], widths: Sequence[int] = (), architecture: str | None = None
    ) -> None:
        """widths: of each text encoder's slice, if there are several. architecture: modelspec's."""
        super().__init__()
        self.widths, self.architecture = tuple(widths), architecture or "stable-diffusion-v1"
        self.words = tuple(vectors)
        self.vectors = nn.ParameterList(
            nn.Parameter(tensor.detach().float().clone()) for tensor in vectors.values()
        )

    @classmethod
    def create(
        cls,
        config: EmbeddingConfig,
        base: Base,
        seed: int,  # noqa: ARG003
    ) -> "Embedding":
        """Vectors that start from the table's rows for each word's `initial_text`; nothing is random."""
        tables = [
            encoder.get_input_embeddings().weight.detach().float().cpu() for encoder in base.text_encoders
        ]
        table = torch.cat(tables, dim=1)
        vectors = {word: _start(word, config, table, base.tokenizer) for word in config.words}
        return cls(vectors, _widths(base), stamped_architecture(base))

    @classmethod
    def load(cls, path: Path, base: Base) -> "Embedding":
        """From any embedding file (pipeline/files/embedding_file.py). Raises UserError for another base's."""
        vectors = read_embeddings(path)
        width = sum(_widths(base))
        for word, tensor in vectors.items():
            if tensor.shape[1] != width:
                raise UserError(
                    f"{path}: the vectors of {word} are {tensor.shape[1]} wide, this base's text"
                    f" encoder has {width}; the file belongs to another family (768: SD 1.x, 1024: SD 2.x,"
                    " 2048: SDXL)"
                )
        return cls(vectors, _widths(base), stamped_architecture(base))

    @property
    def counts(self) -> dict[str, int]:
        """Vectors by word."""
        return {word: len(tensor) for word, tensor in zip(self.words, self.vectors, strict=True)}

    def part_parameters(self, part: Part) -> list[nn.Parameter]:
        """All learn at optimizer.lr, the only lr of such a training."""
        return list(self.vectors) if part.lr == "lr" else []

    def num_modules(self) -> int:
        """The number of words."""
        return len(self.words)

    def set_weight(self, weight: float) -> None:
        self.network_weight = weight

    @contextmanager
    def attached(self, base: Base) -> Iterator[None]:
        """Inside, the text encoder turns the words' ids (pipeline/bases/clip_text.py: `words_of`) into the
        vectors.
        """
        with new_rows(base.text_encoders, self.counts, [partial(self._rows, own) for own in self._shares()]):
            yield

    def _shares(self) -> Iterator[slice]:
        """Each text encoder's columns of a vector."""
        ends = accumulate(self.widths) if self.widths else [self.vectors[0].shape[1]]
        return (slice(start, end) for start, end in pairwise([0, *ends]))

    def _rows(self, own: slice) -> Tensor:
        whole = torch.cat(list(self.vectors)) * self.network_weight
        return whole[:, own] if len(self.widths) > 1 else whole

    def file_tensors(self, precision: str) -> dict[str, Tensor]:
        """The tensors of a .safetensors file."""
        dtype = PRECISIONS[precision]
        vectors = (tensor.detach().to("cpu", dtype, copy=True) for tensor in self.vectors)
        return embedding_tensors(dict(zip(self.words, vectors, strict=True)), self.widths)

    def metadata(self) -> dict[str, str]:
        """The family's header entries."""
        return embedding_metadata(self.words, self.architecture)

    def companion_files(self, precision: str) -> dict[str, CompanionFile]:
        """For several words, a file of each word, which other tools can open."""
        if len(self.words) == 1:
            return {}
        whole = self.file_tensors(precision)
        return {
            f"_{word}": CompanionFile(
                embedding_tensors({word: whole[word]}, self.widths),
                embedding_metadata([word], self.architecture),
            )
            for word in self.words
        }


def _widths(base: Base) -> list[int]:
    """Token widths of the text encoders."""
    return [encoder.get_input_embeddings().embedding_dim for encoder in base.text_encoders]


def _start(word: str, config: EmbeddingConfig, table: Tensor, tokenizer: CLIPTokenizer) -> Tensor:
    """[num_vectors, width]. `spread`: vector i is row i * len // n of the text's rows, zeros for an empty
    text (AUTOMATIC1111 modules/textual_inversion/textual_inversion.py, create_embedding); `mean`: their mean.
    """
    count = config.num_vectors_of(word)
    ids = body_ids(tokenizer, config.initial_text_of(word))
    if not ids:
        return torch.zeros(count, table.shape[1])
    rows = table[ids]
    if config.init == "mean":
        return rows.mean(dim=0, keepdim=True).repeat(count, 1)
    return rows[spread(len(rows), count)]


def spread(length: int, count: int) -> Sequence[int]:
    """Which of `length` rows each of `count` vectors starts from: 2 rows, 4 vectors: 0 0 1 1."""
    return [index * length // count for index in range(count)]
