"""The text encoders' outputs of batches of captions, for validation."""

import torch

from pipeline.bases.conditioning import Conditioning
from pipeline.training.data import EncodedData
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
        base = self.module.base
        ids, emphasis = self.data.encodable(list(captions))
        encoded = base.family.encode(base, ids.to(self.module.device), self.module.settings.base.clip_skip)
        return encoded.emphasised(emphasis)
