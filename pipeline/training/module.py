"""The training step: adds noise to latents, calls the denoiser, weighs the error. A LightningModule around a
frozen base and a network.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import lightning
import torch
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy, Strategy
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor

from pipeline.bases.base import Base
from pipeline.bases.eight_bits import in_eight_bits
from pipeline.networks.checkpoint import FullFineTune
from pipeline.networks.network import AdapterNetwork
from pipeline.networks.sharding import shard
from pipeline.networks.trained import Trainable
from pipeline.schemas import Config
from pipeline.seeds import folded
from pipeline.training.data import Batch
from pipeline.training.devices import device_rows
from pipeline.training.ema import RunningMean
from pipeline.training.graphed import GraphedStep, capture_for, checkpoint_without_random
from pipeline.training.offload import Offload, chosen_blocks
from pipeline.training.optimizers import make_optimizer, set_averaging
from pipeline.training.precision import cast, is_scaled, possible, trained_dtype, trainer_precision
from pipeline.training.preservation import is_preserved, preservation_losses
from pipeline.training.schedules import lr_factor
from pipeline.training.step import StepInputs, step_inputs, step_losses
from pipeline.training.stochastic_rounding import Rounding
from pipeline.training.trainer_state import optimizers_of
from pipeline.training.weight_by_weight import WeightByWeight

EVERY = slice(None)


class Denoising(lightning.LightningModule):
    """Trains `network`, which is not attached yet, on the base. A step's noise depends only on the seed and
    the step's number.
    """

    def __init__(self, base: Base, network: Trainable, config: Config, total_steps: int) -> None:
        super().__init__()
        self.network = network
        # In a list, so that the base is not a submodule: not trained, saved or counted.
        self._base = [base]
        self.settings, self.total_steps = config, total_steps
        self.precision = possible(config.train.precision)
        if config.train.base_precision == "int8":
            in_eight_bits([base.denoiser, *base.text_models], trained_dtype(config))
        self.objective = base.family.objective(base.configs, config.noise)
        self.mean: RunningMean | None = None
        self.rounding = Rounding() if config.train.stochastic_rounding else None
        self._by_weight: WeightByWeight | None = None
        self.offload: Offload | None = None
        self.graphed: GraphedStep | None = None
        self._texts_rest = False
        self.texts_come_first = False
        """Whether texts are encoded before the first step, with the denoiser away until
        `bring_denoiser`."""

    @property
    def base(self) -> Base:
        return self._base[0]

    def setup(self, stage: str) -> None:
        self.prepare()  # before the move: the device never holds the base in 32 bits
        if share := self.settings.train.offload:
            self._release_blocks()  # after a rollback
            kinds = self.base.family.recomputed_blocks
            self.offload = Offload(chosen_blocks(self.base.denoiser, share, kinds), self.device)
            self.offload.park()
        if not self.is_split:
            # A denoiser that is partly parked is moved in one piece with the rest.
            waits = self.texts_come_first and self.offload is None
            self.base.to(self.device, but=[self.base.family.denoiser.name] if waits else [])

    def on_fit_start(self) -> None:
        if self.offload:
            self.offload.hold()  # the base and the network have moved
        if self.settings.train.cuda_graph:
            capture = capture_for(self.device)
            self.graphed = capture and GraphedStep(
                self._forward_and_backward, list(self.network.parameters()), capture
            )

    def on_before_backward(self, loss: Tensor) -> None:
        if self.offload:
            self.offload.begin_backward()

    def on_after_backward(self) -> None:
        if self.offload:
            self.offload.end_backward()

    def prepare(self) -> None:
        """Readies the base for training steps: dtype, memory format, gradient checkpointing."""
        train, unet, texts = self.settings.train, self.base.denoiser, self.base.text_encoders
        self._texts_rest = False
        if train.channels_last:
            unet.to(memory_format=torch.channels_last)
        cast(self.precision, [unet, *self.base.text_models], list(self.network.parameters()))
        if train.gradient_checkpointing:
            unet.enable_gradient_checkpointing(*([checkpoint_without_random] if train.cuda_graph else []))
            for encoder in texts:
                encoder.activation_checkpointing_enable(
                    {"use_reentrant": False, "preserve_rng_state": not train.cuda_graph}
                )
                encoder.train()  # transformers checkpoints only in this mode; CLIP has no dropout

    def rest_text_encoders(self) -> None:
        """Frees the text encoders until `wake_text_encoders`. A full fine-tune's file holds them, so they
        only leave the device.
        """
        if self._texts_rest:
            return
        if isinstance(self.network, FullFineTune):
            for encoder in self.base.text_models:
                encoder.to("cpu")
        else:
            self.base.free(self.base.text_part_names)
        self._texts_rest = True

    def bring_denoiser(self) -> None:
        """Moves it to the device, if it waits for the texts to be encoded."""
        if not self.is_split and self.offload is None:
            self.base.denoiser.to(self.device)

    def wake_text_encoders(self) -> None:
        """Readies the text encoders if they rest."""
        if not self._texts_rest:
            return
        encoders = self.base.text_models
        for encoder in encoders:
            encoder.to(self.device)
        cast(self.precision, encoders, [])
        self._texts_rest = False

    def configure_model(self) -> None:
        train, base = self.settings.train, self.base
        if self.is_split:
            assert isinstance(self.network, FullFineTune)
            assert self.device_mesh is not None
            shard(base.denoiser, base.text_encoders, self.device_mesh["data_parallel"])
            self.network.take_over()
            base.to(self.device)
        if train.compile:
            base.denoiser.compile()
        if train.ema_decay is not None:
            self.mean = RunningMean(self.network.parameters(), train.ema_decay)

    @property
    def is_split(self) -> bool:
        """Whether trained weights are split over devices, so that no process holds a whole one."""
        return isinstance(self.trainer.strategy, ModelParallelStrategy)

    def on_train_epoch_start(self) -> None:
        set_averaging(self.trainer.optimizers, False)
        learns = not self.text_encoder_rests
        for part in self.base.family.text_parts:
            for parameter in self.network.part_parameters(part):
                parameter.requires_grad_(learns)  # after a rollback it may train again
                if not learns:
                    parameter.grad = None

    @property
    def text_encoder_rests(self) -> bool:
        """Whether the text encoder's epochs (`train.text_encoder_epochs`) are over."""
        epochs = self.settings.train.text_encoder_epochs
        return epochs is not None and self.current_epoch >= epochs

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        self.network.before_step(self._seed_of(batch.step))
        if self.rounding:
            self.rounding.step_seed = self._seed_of(batch.step)
        rows, factor = device_rows(len(batch.weight), self.trainer.global_rank, self.trainer.world_size)
        window = self.window_factor(batch_idx)
        if self.graphed:
            begins = batch_idx % self.trainer.accumulate_grad_batches == 0
            inputs = {**self.inputs_of(batch, rows), "weight": batch.weight[rows]}
            return self.graphed(inputs, window, begins)
        loss = (self.picture_losses(batch, rows) * batch.weight[rows]).mean() * factor
        return loss * window

    def _forward_and_backward(self, inputs: StepInputs, window: Tensor) -> Tensor:
        """The loss, whose gradients are added to the weights'. Runs inside `training_step`, where products
        are in the run's precision; a backward pass is outside.
        """
        # Weights in 16 bits that an earlier step in this context has kept would be recorded, and never learn.
        torch.clear_autocast_cache()
        loss = (self.losses_of(inputs) * inputs["weight"]).mean() * window
        with torch.autocast(self.device.type, enabled=False):
            (loss / self.trainer.accumulate_grad_batches).backward()
        return loss.detach()

    def backward(self, loss: Tensor, *arguments: Any, **named: Any) -> None:
        """Done already in a graphed step."""
        if not self.graphed:
            super().backward(loss, *arguments, **named)

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: torch.optim.Optimizer) -> None:
        """A graphed step has set them to zero before, and keeps the tensors."""
        if not self.graphed:
            super().optimizer_zero_grad(epoch, batch_idx, optimizer)

    def _seed_of(self, step: int) -> int:
        return folded(self.settings.seed * 1_000_003 + step)

    def window_factor(self, batch_idx: int) -> float:
        """Makes each update the mean of its batches: Lightning always divides by a full update's number of
        batches, but an epoch's last update may have fewer.
        """
        full = self.trainer.accumulate_grad_batches
        held = self.trainer.num_training_batches - (batch_idx - batch_idx % full)
        return full / min(full, held)

    def optimizer_step(self, *arguments: Any, **named: Any) -> None:
        super().optimizer_step(*arguments, **named)
        self.network.after_step()
        if self.mean:
            self.mean.update()

    def picture_losses(self, batch: Batch, rows: slice = EVERY) -> Tensor:
        """[rows] error of the denoiser, weighed by mask and noise level, for all pictures or those in `rows`.
        Random numbers are drawn for the whole batch, so several devices see the same as one.
        """
        return self.losses_of(self.inputs_of(batch, rows))

    def inputs_of(self, batch: Batch, rows: slice = EVERY) -> StepInputs:
        """What is drawn and read for a step."""
        dropouts = self.settings.train.encoder_dropouts[: len(self.base.text_part_names)]
        return step_inputs(batch, rows, self.objective, self._seed_of(batch.step), self.device, dropouts)

    def losses_of(self, inputs: StepInputs) -> Tensor:
        """[rows] weighed errors; draws nothing but dropouts."""
        losses = step_losses(inputs, self.base, self.objective, self.settings)
        if not is_preserved(inputs):
            return losses
        assert isinstance(self.network, AdapterNetwork)
        held = preservation_losses(inputs, self.base, self.network, self.objective, self.settings)
        return losses + self.settings.train.preservation_weight * held

    def configure_optimizers(self) -> OptimizerLRScheduler:
        config, family = self.settings.optimizer, self.base.family
        parts = {part: self.network.part_parameters(part) for part in family.trained_parts}
        optimizer = make_optimizer(config, parts, fused=not is_scaled(self.precision))
        self._release()  # after a rollback
        if self.settings.train.fused_backward or self.rounding:
            fused = self.settings.train.fused_backward
            optimizer = self._by_weight = WeightByWeight(optimizer, fused=fused, rounding=self.rounding)
        leading = config.lr if parts[family.denoiser] else config.text_encoder_lr
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: lr_factor(step, self.total_steps, self.settings.schedule, leading)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def teardown(self, stage: str) -> None:
        self._release()
        self._release_blocks()
        self.graphed = None

    def _release_blocks(self) -> None:
        if self.offload:
            self.offload.release()
        self.offload = None

    def _release(self) -> None:
        if self._by_weight:
            self._by_weight.release()
        self._by_weight = None

    @contextmanager
    def as_saved(self) -> Iterator[None]:
        """Inside, the network has the weights that are saved and sampled: the running mean
        (`train.ema_decay`) or schedule-free's average.
        """
        if self.offload:
            self.offload.settle()
        optimizers = optimizers_of(self)
        set_averaging(optimizers, True)
        try:
            with self.mean.in_place() if self.mean else nullcontext():
                yield
        finally:
            set_averaging(optimizers, False)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.offload:
            self.offload.settle()
        if self.mean:
            checkpoint["running_mean"] = self.mean.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.mean:
            self.mean.load_state_dict(checkpoint["running_mean"])


def quiet_lightning() -> None:
    """Silences its advertisements and its advice on workers, which batches from mapped memory do not need."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*LeafSpec.*", FutureWarning)
    warnings.filterwarnings("ignore", ".*find_unused_parameters=True was specified.*")


def _strategy(config: Config) -> Strategy | str:
    """DDP must search for weights without a gradient: clip_skip and dropped modules leave some."""
    if config.train.strategy == "fsdp":
        devices = config.train.devices * config.train.num_nodes
        return ModelParallelStrategy(data_parallel_size=devices, tensor_parallel_size=1)
    if config.train.strategy == "ddp" or config.train.devices * config.train.num_nodes > 1:
        return DDPStrategy(find_unused_parameters=True)
    return "auto"


def trainer_options(config: Config) -> dict[str, Any]:
    """Arguments of lightning.Trainer for the configuration."""
    return {
        **trainer_precision(possible(config.train.precision)),
        "max_epochs": config.train.epochs,
        "accumulate_grad_batches": config.train.gradient_accumulation,
        "gradient_clip_val": config.train.clip_norm or None,
        "reload_dataloaders_every_n_epochs": 1,
        "enable_checkpointing": False,
        "enable_progress_bar": False,  # pipeline/training/callbacks/progress.py shows more
        "enable_model_summary": False,
        "log_every_n_steps": 1,
        "devices": config.train.devices,
        "num_nodes": config.train.num_nodes,
        "strategy": _strategy(config),
        "use_distributed_sampler": False,
    }
