"""The loss on fixed noise at fixed noise levels, the same for every epoch, seed and run: curves are smooth,
runs comparable.

Plain mean squared error of the denoiser, whatever loss and weights the training uses, but with the picture's
mask. Uses the latents' mean, full unshuffled captions, and the network without dropout.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from safetensors import safe_open
from torch import Tensor

from pipeline.bases.latents import LATENTS
from pipeline.objectives.losses import SMALLEST_AREA
from pipeline.schemas import ValidationConfig
from pipeline.training.caption_kinds import heaviest_kind
from pipeline.training.captions import plain_caption
from pipeline.training.data import EncodedData, Masks, Picture, sizes_batch
from pipeline.training.encoded_captions import EncodedCaptions
from pipeline.training.history import HELD_OUT, SWAPPED, TRAIN, History, Measured
from pipeline.training.module import Denoising
from pipeline.training.text_outputs import are_fixed


@dataclass(frozen=True)
class Sample:
    """A picture at a noise level, shown with a caption."""

    picture: Picture
    caption: str
    timestep: int


def samples(pictures: Sequence[Picture], timesteps: Sequence[int], swapped: bool = False) -> list[Sample]:
    """Every picture at every level. swapped: each with the next caption that differs from its own."""
    captions = [
        _next_caption([other.caption for other in pictures], index) if swapped else picture.caption
        for index, picture in enumerate(pictures)
    ]
    return [
        Sample(picture, caption, timestep)
        for timestep in timesteps
        for picture, caption in zip(pictures, captions, strict=True)
        if not swapped or caption != picture.caption
    ]


def _next_caption(captions: Sequence[str], index: int) -> str:
    after = [*captions[index + 1 :], *captions[:index]]
    return next((caption for caption in after if caption != captions[index]), captions[index])


def chosen(pictures: Sequence[Picture], number: int) -> list[Picture]:
    """At most `number` pictures, evenly spread; no class pictures."""
    own = [picture for picture in pictures if not picture.shown.is_class]
    if len(own) <= number:
        return own
    return [own[index * len(own) // number] for index in range(number)]


def _usually_shown(data: EncodedData, pictures: Sequence[Picture]) -> list[Picture]:
    """The pictures with their captions of the kind that is shown most often."""
    texts = [data.texts(picture) for picture in pictures]
    return [
        replace(picture, caption=kinds[heaviest_kind(kinds, data.config)])
        for picture, kinds in zip(pictures, texts, strict=True)
    ]


def fixed_noise(sample: Sample, shape: torch.Size) -> Tensor:
    """Noise of this shape; depends only on the picture's name and the level."""
    seed = int.from_bytes(sha256(f"{sample.picture.id}/{sample.timestep}".encode()).digest()[:8]) >> 1
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def losses(
    module: Denoising,
    data: EncodedData,
    measured: Sequence[Sample],
    batch: int,
    encoded: EncodedCaptions | None = None,
) -> dict[int, float]:
    """Mean loss by timestep; batches hold pictures of one shape."""
    encoded = encoded or EncodedCaptions(module, data, fixed=False)
    by_timestep: dict[int, list[float]] = {}
    was_training = module.training
    module.eval()
    try:
        with module.as_saved():
            for group in _batches(measured, batch):
                for sample, loss in zip(group, _batch_losses(module, data, group, encoded), strict=True):
                    by_timestep.setdefault(sample.timestep, []).append(loss)
    finally:
        module.train(was_training)
    return {timestep: sum(values) / len(values) for timestep, values in sorted(by_timestep.items())}


def _batches(measured: Sequence[Sample], batch: int) -> Iterator[list[Sample]]:
    by_shape: dict[tuple[int, int], list[Sample]] = {}
    for sample in measured:
        by_shape.setdefault(sample.picture.shown.bucket, []).append(sample)
    for group in by_shape.values():
        for start in range(0, len(group), batch):
            yield group[start : start + batch]


def _captions(group: list[Sample], data: EncodedData) -> tuple[str, ...]:
    return tuple(plain_caption(sample.caption, data.config) for sample in group)


def _batch_losses(
    module: Denoising, data: EncodedData, group: list[Sample], encoded: EncodedCaptions
) -> list[float]:
    device = module.device
    with safe_open(data.encoded / LATENTS, "pt") as file:
        latents = torch.stack([file.get_tensor(sample.picture.id).chunk(2)[0] for sample in group])
    mask = Masks(data.encoded)([sample.picture.id for sample in group], latents.shape[-2:])
    noise = torch.stack([fixed_noise(sample, latents.shape[1:]) for sample in group]).to(device)
    latents = latents.to(device)
    levels = module.objective.validation_levels([sample.timestep for sample in group]).to(device)
    sizes = sizes_batch([sample.picture for sample in group], data.config)
    conditioning = encoded(_captions(group, data)).sized(sizes)
    noisy = module.objective.noisy(latents, noise, levels)
    answer = module.base.family.predict(module.base, noisy, levels, conditioning).float()
    error = (answer - module.objective.target(latents, noise, levels)).square()
    if mask is not None:
        weight = mask.to(device).clamp(min=data.config.unmasked_weight)
        error = error * weight / weight.mean(dim=(1, 2, 3), keepdim=True).clamp(min=SMALLEST_AREA)
    means: list[float] = error.mean(dim=(1, 2, 3)).tolist()
    return means


class ValidationCallback(Callback):
    """Measures before the first step, every `every_epochs` epochs and after the last."""

    def __init__(
        self,
        history: History,
        data: EncodedData,
        held_out: Sequence[Picture],
        config: ValidationConfig,
    ) -> None:
        self.history, self.data, self.config = history, data, config
        own, others = (
            _usually_shown(data, chosen(some, config.pictures)) for some in (data.pictures, held_out)
        )
        self.sides = {
            TRAIN: samples(own, config.timesteps),
            HELD_OUT: samples(others, config.timesteps),
        }
        self.swapped = samples(own, config.timesteps, swapped=True)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, Denoising)
        self.encoded = EncodedCaptions(pl_module, self.data, are_fixed(pl_module.settings))
        if self.encoded.fixed:
            self._encode(trainer)
        if not self.history.measured:
            self._measure(trainer, pl_module, 0, 0, {**self.sides, SWAPPED: self.swapped})

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        epoch, every = trainer.current_epoch + 1, self.config.every_epochs
        if epoch == trainer.max_epochs or (every and epoch % every == 0):
            step = self.history.rows[-1].step + 1
            self._measure(trainer, pl_module, step, epoch, self.sides)

    def _encode(self, trainer: lightning.Trainer) -> None:
        """Encodes what epochs measure, before the text encoders are freed."""
        with trainer.precision_plugin.forward_context():
            for measured in self.sides.values():
                for group in _batches(measured, self.data.config.batch):
                    self.encoded(_captions(group, self.data))

    def _measure(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        step: int,
        epoch: int,
        sides: dict[str, list[Sample]],
    ) -> None:
        assert isinstance(module, Denoising)
        for side, measured in sides.items():
            with trainer.precision_plugin.forward_context():
                by_timestep = losses(module, self.data, measured, self.data.config.batch, self.encoded)
            self.history.measured += [Measured(step, epoch, side, *each) for each in by_timestep.items()]
