"""Draws sample pictures during training, only for the logs."""

from pathlib import Path

import lightning
import numpy as np
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger

from pipeline.prompts.settings import DrawingSettings, PictureJob
from pipeline.schemas import Config
from pipeline.schemas.samplers import USUAL_SAMPLER
from pipeline.training.module import Denoising


class SampleCallback(Callback):
    """Draws `logging.sample_prompts` with the run's seed before the first epoch and every
    `logging.sample_every_epochs`.

    Uses its own random generators, so training is not affected.
    """

    def __init__(self, config: Config, folder: Path) -> None:
        self.config, self.folder = config, folder / "samples"

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if trainer.current_epoch == 0:
            self._draw(trainer, pl_module, 0)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        if epoch % self.config.logging.sample_every_epochs == 0:
            self._draw(trainer, pl_module, epoch)

    def _draw(self, trainer: lightning.Trainer, module: lightning.LightningModule, epoch: int) -> None:
        assert isinstance(module, Denoising)
        prompts, side = self.config.logging.sample_prompts, self.config.logging.sample_resolution
        # All processes gather split weights: then every process draws, and the first one saves.
        if not (prompts and (trainer.is_global_zero or module.is_split)):
            return
        from pipeline.drawing.text_to_image import draw  # takes a second; most runs draw no samples

        sampler = USUAL_SAMPLER[module.base.family.facts.objective]
        settings = DrawingSettings(
            steps=20, guidance=7.0, sampler=sampler, negative_prompt="", width=side, height=side,
            clip_skip=self.config.base.clip_skip, batch=1,
        )  # fmt: skip
        jobs = [PictureJob(prompt, self.config.seed) for prompt in prompts]
        was_training = module.training
        module.eval()
        self.folder.mkdir(parents=True, exist_ok=True)
        module.wake_text_encoders()
        with module.as_saved(), trainer.precision_plugin.forward_context():
            for number, picture in enumerate(draw(module.base, jobs, settings)):
                if not trainer.is_global_zero:
                    continue
                picture.save(self.folder / f"{number:02}-{epoch:06}.png")
                for logger in trainer.loggers:
                    if isinstance(logger, TensorBoardLogger):
                        name = f"sample/{number:02} {prompts[number]}"
                        logger.experiment.add_image(name, np.asarray(picture), epoch, dataformats="HWC")
                    elif isinstance(logger, WandbLogger):
                        logger.log_image(f"sample/{number:02}", [picture], caption=[prompts[number]])
        module.train(was_training)
