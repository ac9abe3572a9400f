"""The step of diffusers' training scripts for a LoRA, train_text_to_image_lora.py and its SDXL sister, put
together from the same classes: pictures through the VAE and captions through the text encoders in every step,
peft's LoRA on queries, keys, values and outputs, AdamW, clipping, a rate schedule, and the loss read off the
device twice, for the log and the progress bar. `encodes` false: without VAE and text encoders.
"""

from collections.abc import Callable

import torch
from diffusers import DDPMScheduler
from diffusers.optimization import get_scheduler
from torch import Tensor
from torch.nn import functional as F

from benchmarks.gpu.bases import side_px
from benchmarks.gpu.cases import Bench, Case
from benchmarks.train_step import Round, Watch
from pipeline.bases.base import Base
from pipeline.training.precision import PRECISION_DTYPES, is_scaled, possible

TARGETS = ["to_k", "to_q", "to_v", "to_out.0"]


def diffusers_round(bench: Bench, case: Case, steps: int, encodes: bool) -> Round:
    base = bench.base(case.base, "peft")
    if not getattr(base.denoiser, "peft_config", None):
        _add_lora(base)
    precision = possible(case.precision)
    dtype, watch = PRECISION_DTYPES[precision], Watch()
    base.denoiser.to(bench.device, dtype)
    for encoder in base.text_encoders:
        encoder.to(bench.device, dtype)
    # SDXL's VAE overflows in 16 bits: its script keeps 32.
    base.vae.to(bench.device, torch.float32 if case.base == "sdxl" else dtype)
    learning = [weight for weight in base.denoiser.parameters() if weight.requires_grad]
    if is_scaled(precision):
        for weight in learning:
            weight.data = weight.data.float()
    optimizer = torch.optim.AdamW(learning, lr=1e-4)
    schedule = get_scheduler("constant", optimizer)
    scaler = torch.amp.GradScaler(bench.device.type, enabled=is_scaled(precision))
    inputs = _inputs(bench, base, case, dtype, encodes)

    def step() -> None:
        with torch.autocast(bench.device.type, dtype, enabled=dtype != torch.float32):
            loss = _loss(base, inputs)
        loss.repeat(case.batch).mean().item()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        scaler.step(optimizer)
        scaler.update()
        schedule.step()
        optimizer.zero_grad()
        loss.detach().item()

    step()
    watch.start()
    for _ in range(steps):
        step()
    return watch.stop(steps)


def _add_lora(base: Base) -> None:
    from peft import LoraConfig

    base.denoiser.add_adapter(
        LoraConfig(r=16, lora_alpha=16, init_lora_weights="gaussian", target_modules=TARGETS)
    )


Inputs = Callable[[], tuple[Tensor, Tensor, dict[str, Tensor]]]


def _inputs(bench: Bench, base: Base, case: Case, dtype: torch.dtype, encodes: bool) -> Inputs:
    """A function that makes a step's latents and conditioning, or returns the first ones again."""
    side, device = side_px(case.base, bench.tiny), bench.device
    pictures = torch.rand((case.batch, 3, side, side), device=device) * 2 - 1
    ids = torch.full((case.batch, 77), base.end_token, device=device)
    ids[:, 0], ids[:, 1] = base.tokenizer.bos_token_id, 320

    @torch.no_grad()
    def made() -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        posterior = base.vae.encode(pictures.to(base.vae.dtype)).latent_dist
        latents = (posterior.sample() * base.vae.config.scaling_factor).to(dtype)
        if case.base == "sd15":
            return latents, base.text_encoders[0](ids, return_dict=False)[0], {}
        outputs = [encoder(ids, output_hidden_states=True) for encoder in base.text_encoders]
        tokens = torch.cat([output.hidden_states[-2] for output in outputs], dim=-1)
        sizes = torch.tensor([[side, side, 0, 0, side, side]] * case.batch, device=device)
        return latents, tokens, {"text_embeds": outputs[-1][0], "time_ids": sizes}

    if encodes:
        return made
    first = made()
    return lambda: first


_scheduler = DDPMScheduler(
    beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000
)


def _loss(base: Base, inputs: Inputs) -> Tensor:
    latents, tokens, added = inputs()
    noise = torch.randn_like(latents)
    timesteps = torch.randint(0, 1000, (len(latents),), device=latents.device).long()
    noisy = _scheduler.add_noise(latents, noise, timesteps)
    answer = base.denoiser(
        noisy, timesteps, tokens, **({"added_cond_kwargs": added} if added else {}), return_dict=False
    )[0]
    return F.mse_loss(answer.float(), noise.float())
