"""Caches the text encoder's outputs: if it is not trained and captions do not change, a text has the same
output in every step.

Outputs are in the store of kept results, one file a text, and are read when a step needs them: any dataset
needs the memory of one batch only, and the runs of a sweep share them. Texts are encoded one at a time, so
that an output depends only on its text; in a larger batch it differs in the last bits.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from safetensors.torch import load, save
from torch import Tensor

from pipeline.bases.conditioning import Conditioning, cat
from pipeline.schemas import AdapterNetworkConfig, CheckpointConfig, Config, HypernetworkConfig
from pipeline.store.items import Items, key
from pipeline.training.data import EncodedData
from pipeline.training.module import Denoising

VERSION = 2
"""Of the algorithm: raise it when a change alters outputs."""


def are_fixed(config: Config) -> bool:
    """Whether a text has the same output in every step, and a picture has one text (or, with caption dropout,
    none).
    """
    network, train = config.network, config.train
    is_frozen = isinstance(network, HypernetworkConfig) or (
        isinstance(network, AdapterNetworkConfig | CheckpointConfig) and not network.text_encoder
    )
    return is_frozen and not (train.shuffle_tags or train.tag_dropout)


@dataclass(frozen=True)
class TextOutputs:
    """Outputs by text. `compute` gives a missing one, as a batch of one."""

    compute: Callable[[str], Conditioning]
    made_by: dict[str, object]
    """Everything that an output depends on, except the text."""
    items: Items

    def __call__(self, texts: Iterable[str]) -> Conditioning:
        """The texts' outputs as a batch."""
        return cat([self._one(text) for text in texts])

    def _one(self, text: str) -> Conditioning:
        text_key = key(text=text, **self.made_by)
        saved = self.items.get(text_key) or self.items.put(text_key, save(_tensors(self.compute(text))))
        return Conditioning(**load(saved))


def _tensors(output: Conditioning) -> dict[str, Tensor]:
    """Without sizes, which belong to a picture, not to a text."""
    tensors = {"tokens": output.tokens, "pooled": output.pooled}
    return {name: tensor.cpu().contiguous() for name, tensor in tensors.items() if tensor is not None}


class TextOutputsCallback(Callback):
    """Makes batches carry cached outputs of the text encoder."""

    def __init__(self, data: EncodedData) -> None:
        self.data = data

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, Denoising)
        module, data = pl_module, self.data
        base, most = module.settings.base, data.config.max_tokens

        @torch.no_grad()
        def compute(text: str) -> Conditioning:
            ids, emphasis = data.encodable([text])
            with trainer.precision_plugin.forward_context():
                output = module.base.family.encode(module.base, ids.to(module.device), base.clip_skip)
            return output.emphasised(emphasis)

        made_by: dict[str, object] = {
            "version": VERSION,
            "model": [base.sha256, base.path, base.revision],
            "clip_skip": base.clip_skip,
            "precision": module.precision,
            "device": module.device.type,
            "max_tokens": most,
        } | ({"weighted": True} if data.config.weighted_captions else {})
        data.text_outputs = TextOutputs(compute, made_by, Items("text_outputs"))
