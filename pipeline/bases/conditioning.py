"""What the denoiser is conditioned on, as one object to batch, slice, move, store and guide."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Conditioning:
    """tokens: [batch, n, width]. pooled: [batch, width], sizes: [batch, 6], each only if the family uses it.
    further: [batch, m, width of T5], if the base has a T5.

    Sizes are original height and width, crop top and left, target height and width, in pixels.
    """

    tokens: Tensor
    pooled: Tensor | None = None
    sizes: Tensor | None = None
    further: Tensor | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    def rows(self, rows: slice | Tensor) -> "Conditioning":
        """The conditioning of some pictures of the batch."""
        return self._each(lambda value: value[rows])

    def to(self, *arguments: Any, **named: Any) -> "Conditioning":
        """Like torch's `to`."""
        return self._each(lambda value: value.to(*arguments, **named))

    def pin_memory(self) -> "Conditioning":
        """In memory that a card can read by itself."""
        return self._each(Tensor.pin_memory)

    def emphasised(self, weights: Tensor | None) -> "Conditioning":
        """With the tokens multiplied by weights [batch, n, 1]."""
        return self if weights is None else replace(self, tokens=self.tokens * weights.to(self.tokens))

    def sized(self, sizes: Tensor | Sequence[int] | None) -> "Conditioning":
        """With sizes [batch, 6], or the same six numbers for all pictures."""
        if sizes is None:
            return self
        rows = sizes if isinstance(sizes, Tensor) else torch.tensor([sizes] * len(self))
        return replace(self, sizes=rows.to(self.tokens.device))

    def of_encoders(
        self, kept: Tensor, widths: Sequence[int], pooled_widths: Sequence[int]
    ) -> "Conditioning":
        """With zeros in place of some encoders' outputs, as the published SD 3 was trained. kept: [batch,
        encoders] of 0 or 1, T5 last. The widths are of each CLIP encoder's slice.
        """
        kept = kept.to(self.tokens)
        clip = kept[:, : len(widths)]

        def sliced(own: Sequence[int]) -> Tensor:
            return clip.repeat_interleave(torch.tensor(own, device=clip.device), dim=1)

        return replace(
            self,
            tokens=self.tokens * sliced(widths)[:, None],
            pooled=None if self.pooled is None else self.pooled * sliced(pooled_widths),
            further=None if self.further is None else self.further * kept[:, -1:, None],
        )

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Conditioning":
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        changed = {name: change(value) for name, value in values.items() if value is not None}
        return Conditioning(**changed)


def cat(several: Sequence[Conditioning]) -> Conditioning:
    """One batch from several; all must have the same parts and number of tokens."""

    def joined(values: Sequence[Tensor | None]) -> Tensor | None:
        known = [value for value in values if value is not None]
        assert len(known) in (0, len(values)), "some have a part that others lack"
        return torch.cat(known) if known else None

    tokens = torch.cat([each.tokens for each in several])
    names = ("pooled", "sizes", "further")
    return Conditioning(tokens, **{name: joined([getattr(each, name) for each in several]) for name in names})
