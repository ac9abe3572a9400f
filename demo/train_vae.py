"""Trains the demo base's VAE (f8, 4 channels, 1.0M parameters) on freshly drawn critters: `python -m
demo.train_vae`.

In: demo/critters.py. Out: demo/.state/vae/, from where demo.train_denoiser takes it. L1 alone leaves wrong
colours for thousands of steps; L1 of the 8x8 averages beside it mends that. Crops first (four times as many
steps an hour), whole pictures at the end (crops alone leave a pale border).
"""

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image, ImageDraw
from torch.nn import functional as F

from demo.critters import draw, random_critter
from demo.resumable import STATE, train

STEPS = 6400
WHOLE_FROM_STEP = 6000
BATCH = 16


def build_vae() -> AutoencoderKL:
    """The SD 1.x VAE at a quarter of the depth's width."""
    channels = (16, 32, 64, 64)
    kind = ["DownEncoderBlock2D"] * 4, ["UpDecoderBlock2D"] * 4
    return AutoencoderKL(
        down_block_types=kind[0], up_block_types=kind[1], block_out_channels=channels, layers_per_block=2,
        norm_num_groups=8, latent_channels=4, sample_size=128,
    )  # fmt: skip


def doodle(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Up to eight shapes of any colour on top, so that the VAE learns colours and edges at large, not this
    world's pairs of them.
    """
    pen = ImageDraw.Draw(picture)
    for _ in range(rng.integers(0, 9)):
        x, y = rng.uniform(-10, 130, 2)
        w, h = rng.uniform(3, 45, 2)
        fill, outline = (tuple(int(v) for v in rng.integers(0, 256, 3)) for _ in range(2))
        kind, width = rng.integers(0, 4), int(rng.integers(0, 4))
        if kind == 0:
            pen.ellipse([x, y, x + w, y + h], fill, outline, width)
        elif kind == 1:
            pen.rounded_rectangle([x, y, x + w, y + h], min(w, h) / 4, fill, outline, width)
        elif kind == 2:
            pen.polygon(
                [(x + a, y + b) for a, b in rng.uniform(-25, 25, (int(rng.integers(3, 6)), 2))], fill, outline
            )
        else:
            pen.line([x, y, *rng.uniform(0, 128, 2)], fill, int(rng.integers(1, 7)))
    return picture


def pictures(step: int) -> torch.Tensor:
    """[16, 3, 128, 128] in -1..1: this step's fresh critters, two thirds of them doodled on."""
    rng = np.random.default_rng([7, step])
    drawn = [draw(random_critter(rng), 128, 128, rng) for _ in range(BATCH)]
    rows = [np.asarray(doodle(picture, rng) if index % 3 else picture) for index, picture in enumerate(drawn)]
    return torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2).float() / 127.5 - 1


def vae_loss(vae: AutoencoderKL, step: int, generator: torch.Generator) -> torch.Tensor:
    """L1 + L1 of the 8x8 averages + a faint KL term (latents stay near unit scale)."""
    x = pictures(step)
    if step < WHOLE_FROM_STEP:
        top, left = torch.randint(0, 9, (2,), generator=generator).tolist()
        x = x[:, :, top * 8 : top * 8 + 64, left * 8 : left * 8 + 64]
    with torch.autocast("cpu", torch.bfloat16):
        posterior = vae.encode(x).latent_dist
        z = posterior.mean + posterior.std * torch.randn(posterior.mean.shape, generator=generator)
        y = vae.decode(z).sample.float()
    coarse = F.l1_loss(F.avg_pool2d(y, 8), F.avg_pool2d(x, 8))
    kl: torch.Tensor = posterior.kl().float().mean()
    return F.l1_loss(y, x) + coarse + 1e-5 * kl / x[0].numel() * 48


def latent_scale(vae: AutoencoderKL) -> float:
    """1 / standard deviation of the latents: the scaling factor that gives them unit scale (Rombach et al.
    2022, G).
    """
    with torch.no_grad():
        z = torch.cat([vae.encode(pictures(step)).latent_dist.mean for step in range(10**6, 10**6 + 8)])
    return 1.0 / z.std().item()


def main() -> None:
    torch.manual_seed(0)
    vae = build_vae()
    train("vae", vae, lambda step, generator: vae_loss(vae, step, generator), steps=STEPS, lr=2e-3)
    vae.register_to_config(scaling_factor=round(latent_scale(vae), 4))
    vae.half().save_pretrained(STATE / "vae")


if __name__ == "__main__":
    main()
