"""Writes the network's files: every `train.save_every_epochs` epochs, and after the last without a number."""

from pathlib import Path

import lightning
from lightning.pytorch.callbacks import Callback

from pipeline.bases.prediction import ZERO_SNR_KEY
from pipeline.device import leads
from pipeline.files.safetensors_file import write_safetensors
from pipeline.networks.trained import CompanionFile
from pipeline.schemas import Config
from pipeline.training.data import EncodedData
from pipeline.training.metadata import TRAINING_KEY, Progress, network_metadata, with_hashes
from pipeline.training.module import Denoising
from pipeline.training.planning.forecast import TrainPlan


class EpochFilesCallback(Callback):
    """Writes into `folder`."""

    def __init__(self, folder: Path, data: EncodedData, config: Config, recipe: str, plan: TrainPlan) -> None:
        self.folder, self.data, self.config, self.recipe = folder, data, config, recipe
        self.plan = plan

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, Denoising)
        epoch, train = trainer.current_epoch + 1, self.config.train
        if not (trainer.is_global_zero or pl_module.is_split):  # all processes gather split weights
            return
        if epoch % train.save_every_epochs == 0 or epoch == train.epochs:
            self.write(
                self.folder / f"{train.name}-{epoch:06}", epoch * self.plan.batches_per_epoch, pl_module
            )
        if epoch == train.epochs:
            self.write(self.folder / train.name, epoch * self.plan.batches_per_epoch, pl_module)

    def write(self, stem: Path, batches: int, module: Denoising) -> None:
        """Writes the network's file after so many batches, and the extra files of its family."""
        plan = self.plan
        progress = Progress(
            batches // plan.batches_per_epoch,
            plan.updates_after(batches),
            plan.updates,
            plan.batches_per_epoch,
        )
        network, precision = module.network, self.config.train.save_precision
        objective = module.objective
        header, prediction = dict(network.metadata()), objective.modelspec_prediction
        if objective.has_zero_snr:  # by a setting, or as the base does
            header[ZERO_SNR_KEY] = str(True)
        made = module.base.family
        stamp = made.stamp(module.base.configs)
        facts = network_metadata(
            self.config, header, self.data.pictures, progress, prediction, made.facts, stamp
        )
        with module.as_saved():
            files = {
                "": CompanionFile(network.file_tensors(precision), {}),
                **network.companion_files(precision),
            }
            if leads():
                network.write_other_layouts(stem, progress.step)
        if not leads():
            return
        for end, file in files.items():
            metadata = with_hashes(file.tensors, {**facts, **file.metadata, TRAINING_KEY: self.recipe})
            write_safetensors(stem.with_name(f"{stem.name}{end}.safetensors"), file.tensors, metadata)
