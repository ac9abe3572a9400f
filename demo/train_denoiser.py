"""Trains the demo base's text encoder and U-Net together: `python -m demo.train_denoiser`.

In: demo/critters.py, the VAE. Out: demo/base/, a diffusers folder in fp16. Epsilon prediction on SD 1.x's
noise schedule, min-SNR weighting (it more than halves the steps), offset noise, tags shuffled and dropped.
"""

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.training_utils import compute_snr
from tqdm import tqdm
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from demo.critters import draw, random_critter
from demo.resumable import STATE, train
from demo.vocabulary import write_tokenizer
from pipeline.bases.base import Base
from pipeline.bases.registry import family
from pipeline.bases.save import save_folder

NUM_PICTURES = 12_000
STEPS = 16_000
BATCH = 16
MIN_SNR_GAMMA = 5.0
NOISE_OFFSET = 0.15
"""Hides the mean colour even at the last timestep. Without it the model reads the background off the noise's
mean, which at 16x16 latents is strong, and then draws the wrong colours for a prompt.
"""
MOUTH_ROWS, MOUTH_COLUMNS = slice(8, 13), slice(5, 11)
MOUTH_WEIGHT = 6.0
"""Where mouths lie among the 16x16 latents, and how much more the loss counts there: a mouth is about two
latent pixels of 256, and unweighted the prompt's word for it was still not learned after 7500 steps.
"""
BASE = Path(__file__).parent / "base"


class Denoiser(torch.nn.Module):
    """Text encoder and U-Net as one module, so that one optimiser and one average cover both."""

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        super().__init__()
        self.text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(tokenizer), hidden_size=64, intermediate_size=256,
                num_hidden_layers=2, num_attention_heads=4,
                projection_dim=64, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
        )  # fmt: skip
        self.unet = UNet2DConditionModel(
            sample_size=16,
            block_out_channels=(32, 64, 96, 128),
            cross_attention_dim=64,
            attention_head_dim=4,
            norm_num_groups=16,
        )


def make_scheduler() -> DDIMScheduler:
    """SD 1.x's: scaled linear, 0.00085 to 0.012, 1000 steps, epsilon."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def latents_and_tags(vae: AutoencoderKL) -> tuple[torch.Tensor, list[list[str]]]:
    """[12000, 4, 16, 16] scaled latents (kept on disk between runs) and each picture's tags."""
    path = STATE / "latents.pt"
    critters = [random_critter(np.random.default_rng([11, index])) for index in range(NUM_PICTURES)]
    tags = [critter.tags() for critter in critters]
    if path.exists():
        return torch.load(path, weights_only=True), tags
    rows = []
    for start in tqdm(range(0, NUM_PICTURES, 50), desc="latents", mininterval=10):
        numbers = range(start, start + 50)
        drawn = np.stack(
            [np.asarray(draw(critters[n], 128, 128, np.random.default_rng([13, n]))) for n in numbers]
        )
        x = torch.from_numpy(drawn).permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.no_grad():
            rows.append(vae.encode(x).latent_dist.mean * vae.config.scaling_factor)
    latents = torch.cat(rows)
    torch.save(latents, path)
    return latents, tags


def error_weights() -> torch.Tensor:
    """[16, 16] weights of the squared error, 1 on average."""
    weights = torch.ones(16, 16)
    weights[MOUTH_ROWS, MOUTH_COLUMNS] = MOUTH_WEIGHT
    return weights / weights.mean()


def caption(tags: list[str], rng: np.random.Generator) -> str:
    """A training caption: empty in one of ten, the class alone in one of ten, else most tags in any order."""
    kind = rng.random()
    if kind < 0.1:
        return ""
    kept = [] if kind < 0.2 else [tag for tag in tags[1:] if rng.random() > 0.12]
    return ", ".join([tags[0], *rng.permutation(np.array(kept, dtype=object))])


def denoising_loss(
    model: Denoiser,
    tokenizer: CLIPTokenizer,
    scheduler: DDIMScheduler,
    data: tuple[torch.Tensor, list[list[str]]],
    step: int,
) -> torch.Tensor:
    """Min-SNR weighted squared error of the predicted noise (Hang et al. 2023)."""
    rng = np.random.default_rng([17, step])
    generator = torch.Generator().manual_seed(step)
    latents, tags = data
    chosen = rng.choice(len(latents), BATCH, replace=False)
    captions = [caption(tags[n], rng) for n in chosen]
    x = latents[torch.from_numpy(chosen)]
    noise = torch.randn(x.shape, generator=generator)
    noise = noise + NOISE_OFFSET * torch.randn((BATCH, 4, 1, 1), generator=generator)
    t = torch.randint(0, 1000, (BATCH,), generator=generator)
    noisy = scheduler.add_noise(x, noise, t)
    ids = tokenizer(
        captions, padding="max_length", truncation=True, max_length=77, return_tensors="pt"
    ).input_ids
    context = model.text_encoder(ids).last_hidden_state
    error = (error_weights() * (model.unet(noisy, t, context).sample - noise).square()).mean(dim=(1, 2, 3))
    snr = compute_snr(scheduler, t)
    loss: torch.Tensor = (error * snr.clamp(max=MIN_SNR_GAMMA) / snr).mean()
    return loss


def save_base(
    model: Denoiser, vae: AutoencoderKL, tokenizer: CLIPTokenizer, scheduler: DDIMScheduler
) -> None:
    """demo/base/: the diffusers folder, in fp16."""
    configs = {
        "unet": dict(model.unet.config),
        "vae": dict(vae.config),
        "text_encoder": model.text_encoder.config.to_dict(),
        "scheduler": dict(scheduler.config),
    }
    parts = {"text_encoder": model.text_encoder, "unet": model.unet, "vae": vae}
    save_folder(Base(family("sd1"), tokenizer, parts, configs), BASE, "fp16", {})


def main() -> None:
    torch.manual_seed(0)
    tokenizer = write_tokenizer(STATE / "tokenizer")
    vae = AutoencoderKL.from_pretrained(STATE / "vae", torch_dtype=torch.float32)
    scheduler = make_scheduler()
    model = Denoiser(tokenizer)
    data = latents_and_tags(vae)
    train(
        "denoiser",
        model,
        lambda step, _: denoising_loss(model, tokenizer, scheduler, data, step),
        steps=STEPS,
        lr=1e-3,
        ema_decay=0.9995,
    )
    save_base(model, vae, tokenizer, scheduler)


if __name__ == "__main__":
    main()
