"""The text encoders' outputs of batches of captions, for validation."""

import torch

from pipeline.bases.conditioning import Conditioning
from pipeline.training.data import EncodedData, TextIds
from pipeline.training.module import Denoising


class EncodedCaptions:
    """Outputs of the text encoders. `fixed`: each batch is encoded once, so that the encoders are not needed
    again; together, because a batch's outputs differ from single ones in the last bits.
    """

    def __init__(self, module: Denoising, data: EncodedData, fixed: bool) -> None:
        self.module, self.data, self.fixed = module, data, fixed
        self._kept: dict[tuple[str, ...], Conditioning] = {}

    @torch.no_grad()
    def __call__(self, captions: tuple[str, ...]) -> Conditioning:
        if captions not in self._kept:
            encoded = self._encoded(captions)
            if not self.fixed:
                return encoded
            self._kept[captions] = encoded.to("cpu")
        return self._kept[captions].to(self.module.device)

    def _encoded(self, captions: tuple[str, ...]) -> Conditioning:
        texts = self.data.encodable(list(captions))
        return encoded(self.module, texts).emphasised(texts.emphasis)


def encoded(module: Denoising, texts: TextIds) -> Conditioning:
    """All of the base's text encoders' outputs."""
    further = None if texts.further is None else texts.further.to(module.device)
    ids, skip = texts.ids.to(module.device), module.settings.base.clip_skip
    return module.base.family.encode_texts(module.base, ids, skip, further)
