"""The training step: noise the latents, ask the U-Net, weigh the error. A LightningModule around a frozen
base and a network.
"""

import logging
import sys
import warnings
from dataclasses import dataclass
from typing import Any

import lightning
import torch
from diffusers import DDPMScheduler
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor

from pipeline.base.conditioning import encode
from pipeline.base.load import BaseModel
from pipeline.config.schemas import Config
from pipeline.networks.targets import TEXT_PREFIX, UNET_PREFIX
from pipeline.networks.trained import Trained
from pipeline.training.data import Batch
from pipeline.training.noise import add_noise, min_snr_weight, offset_noise, signal_to_noise, target
from pipeline.training.optimizers import make_optimizer
from pipeline.training.schedules import rate_factor


@dataclass(frozen=True)
class Row:
    """A line of the loss curve."""

    step: int
    epoch: int
    loss: float
    lr: float
    text_encoder_lr: float


class Denoising(lightning.LightningModule):
    """Learns `network` beside the base; each step's noise follows from the seed and the step's number
    alone.
    """

    def __init__(self, base: BaseModel, network: Trained, config: Config, total_steps: int) -> None:
        super().__init__()
        self.network = network
        # A base that is no submodule: not trained, not saved, not counted.
        self._base = [base]
        self.settings, self.total_steps = config, total_steps
        scheduler = DDPMScheduler.from_config(base.configs["scheduler"])
        self.prediction_type: str = scheduler.config.prediction_type
        self.register_buffer("alphas_cumprod", scheduler.alphas_cumprod, persistent=False)
        self._losses: list[Tensor] = []
        self._rates: list[tuple[int, int, float, float]] = []

    @property
    def base(self) -> BaseModel:
        return self._base[0]

    def setup(self, stage: str) -> None:  # noqa: ARG002
        self.base.to(self.device)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:  # noqa: ARG002
        self.network.before_step(self.settings.seed * 1_000_003 + batch.step)
        losses = self.picture_losses(batch)
        loss = (losses * batch.weight).mean()
        self._losses.append(loss.detach())
        groups = self.trainer.optimizers[0].param_groups
        rates = {group["name"]: group["lr"] / group["rate_factor"] for group in groups}
        self._rates.append(
            (batch.step, self.current_epoch, rates.get("unet", 0.0), rates.get("text_encoder", 0.0))
        )
        self.log("loss", loss, prog_bar=True)
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002
        self.network.after_step()

    def picture_losses(self, batch: Batch) -> Tensor:
        """[batch] squared error of the U-Net's answer, weighed by the noise level."""
        noise_config = self.settings.noise
        generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + batch.step)
        latents = batch.mean + batch.std * torch.randn(batch.mean.shape, generator=generator).to(self.device)
        noise = offset_noise(latents.shape, noise_config.offset, generator).to(self.device)
        timesteps = torch.randint(0, len(self.alphas), (len(latents),), generator=generator).to(self.device)
        context = encode(self.base.text_encoder, batch.ids, self.settings.base.clip_skip)
        answer = self.base.unet(
            add_noise(latents, noise, self.alphas, timesteps), timesteps, context, return_dict=False
        )[0]
        wanted = target(latents, noise, self.alphas, timesteps, self.prediction_type)
        losses: Tensor = (answer.float() - wanted).square().mean(dim=(1, 2, 3))
        if noise_config.min_snr_gamma is not None:
            snr = signal_to_noise(self.alphas, timesteps)
            losses = losses * min_snr_weight(snr, noise_config.min_snr_gamma, self.prediction_type)
        return losses

    @property
    def alphas(self) -> Tensor:
        """[1000] alpha_bar."""
        buffer = self.alphas_cumprod
        assert isinstance(buffer, Tensor)
        return buffer

    def configure_optimizers(self) -> OptimizerLRScheduler:
        parts = {
            "unet": self.network.part_parameters(UNET_PREFIX),
            "text_encoder": self.network.part_parameters(TEXT_PREFIX),
        }
        optimizer = make_optimizer(self.settings.optimizer, parts)
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: rate_factor(step, self.total_steps, self.settings.schedule)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def curve(self) -> list[Row]:
        """The loss curve so far."""
        losses: list[float] = torch.stack(self._losses).tolist() if self._losses else []
        return [
            Row(step, epoch, loss, lr, te)
            for (step, epoch, lr, te), loss in zip(self._rates, losses, strict=True)
        ]


def quiet_lightning() -> None:
    """Its advertisements and its advice on workers (the batches come from mapped memory) are left out."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*LeafSpec.*", FutureWarning)


def trainer_options(config: Config) -> dict[str, Any]:
    """Settings of lightning.Trainer that follow from the configuration."""
    precision = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}[config.train.precision]
    return {
        "max_epochs": config.train.epochs,
        "precision": precision,
        "gradient_clip_val": config.train.clip_norm or None,
        "reload_dataloaders_every_n_epochs": 1,
        "enable_checkpointing": False,
        "enable_progress_bar": sys.stderr.isatty(),
        "enable_model_summary": False,
        "log_every_n_steps": 1,
        "devices": 1,
        "use_distributed_sampler": False,
    }
