"""Caches the text encoders' outputs: if they do not learn, and captions do not change or have few variants,
a text has the same output in every step. A run encodes its texts at its start and then frees the encoders. A
dropped caption is one more text.

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
from pipeline.progress import progress
from pipeline.schemas import AdapterNetworkConfig, CheckpointConfig, Config, HypernetworkConfig
from pipeline.store.items import Items, computed_key
from pipeline.training.data import EncodedData, EpochBatches
from pipeline.training.encoded_captions import encoded
from pipeline.training.module import Denoising

VERSION = 3
"""Of the algorithm: raise it when a change alters outputs."""


def are_fixed(config: Config) -> bool:
    """Whether a text has the same output in every step, and a picture has one text or a few variants (and,
    with caption dropout, none).
    """
    train = config.train
    changes = (train.shuffle_tags or train.tag_dropout) and not train.caption_variants
    return texts_are_frozen(config) and not changes


def texts_are_frozen(config: Config) -> bool:
    """Whether no text encoder and no word learns."""
    network = config.network
    return isinstance(network, HypernetworkConfig) or (
        isinstance(network, AdapterNetworkConfig | CheckpointConfig) and not network.text_encoder
    )


def texts_of(data: EncodedData, epochs: Iterable[int]) -> list[str]:
    """Every caption that these epochs show, each once; with those of the class, if it is preserved."""
    batches = (EpochBatches(data, epoch) for epoch in epochs)
    shown = (text for each in batches for number in range(len(each)) for text in _texts(each, number))
    return list(dict.fromkeys(shown))


def _texts(batches: EpochBatches, number: int) -> list[str]:
    captions = batches.captions(number)
    return [*captions, *batches.class_captions(number, captions)]


@dataclass(frozen=True)
class TextOutputs:
    """Outputs by text. `compute` gives a missing one, as a batch of one."""

    compute: Callable[[str], Conditioning]
    made_by: dict[str, object]
    """Everything that an output depends on, except the text."""
    items: Items

    def __call__(self, texts: Iterable[str]) -> Conditioning:
        """The texts' outputs as a batch."""
        return cat([Conditioning(**load(self._saved(text))) for text in texts])

    def keep(self, texts: Iterable[str]) -> None:
        """Computes the outputs that are missing."""
        for text in texts:
            self._saved(text)

    def _saved(self, text: str) -> bytes:
        text_key = computed_key(text=text, **self.made_by)
        return self.items.get(text_key) or self.items.put(text_key, save(_tensors(self.compute(text))))


def _tensors(output: Conditioning) -> dict[str, Tensor]:
    """Without sizes, which belong to a picture, not to a text."""
    tensors = {"tokens": output.tokens, "pooled": output.pooled, "further": output.further}
    return {name: tensor.cpu().contiguous() for name, tensor in tensors.items() if tensor is not None}


class TextOutputsCallback(Callback):
    """Makes batches carry cached outputs of the text encoders, which are freed while steps run."""

    def __init__(self, data: EncodedData) -> None:
        self.data = data

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        assert isinstance(pl_module, Denoising)
        pl_module.texts_come_first = True  # before the module's own setup, which moves the base

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, Denoising)
        module, data = pl_module, self.data
        base, most = module.settings.base, data.config.max_tokens

        @torch.no_grad()
        def compute(text: str) -> Conditioning:
            module.wake_text_encoders()
            texts = data.encodable([text])
            with trainer.precision_plugin.forward_context():
                output = encoded(module, texts)
            return output.emphasised(texts.emphasis)

        made_by: dict[str, object] = {
            "version": VERSION,
            "model": [base.sha256, base.path, base.revision],
            "clip_skip": base.clip_skip,
            "precision": module.precision,
            "device": module.device.type,
            "max_tokens": most,
            **base.texts_identity,
        } | ({"weighted": True} if data.config.weighted_captions else {})
        outputs = data.text_outputs = TextOutputs(compute, made_by, Items("text_outputs"))
        texts = texts_of(data, range(trainer.current_epoch, data.config.epochs))
        outputs.keep(progress(texts, "texts"))
        if not module.is_split:
            module.rest_text_encoders()
        module.bring_denoiser()

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, Denoising)
        if not pl_module.is_split:
            pl_module.rest_text_encoders()  # again, because sample pictures use them
