"""Trains the demo's second base, with SDXL's topology: `python -m demo.train_denoiser_xl`.

In: demo/critters.py, the VAE of demo/base. Out: demo/base_xl/, a diffusers folder in fp16.

It has everything that the code for SDXL depends on: three levels with 0, 2 and 10 transformer layers, two
text encoders with joined penultimate states, the second one's projected vector, and six numbers of size and
crop; only the widths are small. Each picture has its own canvas size, is resized until it covers the square,
and cropped, so that the base learns what the six numbers mean: a small original is blurred, and a crop corner
off zero cuts the critter.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.training_utils import compute_snr
from PIL import Image
from tqdm import tqdm
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from demo.critters import MOUTH, Critter, draw, random_critter
from demo.resumable import STATE, train
from demo.train_denoiser import MIN_SNR_GAMMA, NOISE_OFFSET, caption, make_scheduler
from demo.vocabulary import write_tokenizer
from pipeline.bases.base import Base
from pipeline.bases.registry import family
from pipeline.bases.save import save_folder

NUM_PICTURES = 16_000
STEPS = 12_000
BATCH = 16
SIDE_PX = 128
SCALING_FACTOR = 0.13025
"""SDXL's; the demo's VAE is rescaled to it."""
DETAIL_WEIGHT = 5.0
"""How much more the loss counts where the mouth is: it covers about two latent pixels of 256."""
ZEROS_SHARE = 0.5
"""Share of the empty captions that are zeros, not the encoded empty text: front ends use either."""
BASE = Path(__file__).parent / "base_xl"


@dataclass(frozen=True)
class Example:
    """A picture to draw: the critter, its canvas, and the square's corner after resizing."""

    critter: Critter
    height_px: int
    width_px: int
    top_px: int
    left_px: int

    @property
    def sizes(self) -> list[int]:
        """Original height and width, crop corner, target height and width, in pixels."""
        return [self.height_px, self.width_px, self.top_px, self.left_px, SIDE_PX, SIDE_PX]

    def cut(self, picture: Image.Image) -> Image.Image:
        """The picture resized until it covers the square, then cropped."""
        scale = SIDE_PX / min(picture.size)
        width, height = (max(SIDE_PX, round(side * scale)) for side in picture.size)
        resized = picture.resize((width, height), Image.Resampling.LANCZOS)
        return resized.crop((self.left_px, self.top_px, self.left_px + SIDE_PX, self.top_px + SIDE_PX))


def random_example(index: int) -> Example:
    """Half are whole squares; a third are crops of wider or taller canvases; the rest are small originals."""
    rng = np.random.default_rng([19, index])
    critter = random_critter(rng)
    kind = rng.random()
    if kind < 0.5:
        side = int(rng.integers(SIDE_PX, 257))
        return Example(critter, side, side, 0, 0)
    if kind > 0.85:
        side = int(rng.integers(24, 97))
        return Example(critter, side, side, 0, 0)
    long = int(rng.integers(SIDE_PX + 16, 257))
    height, width = (SIDE_PX, long) if rng.random() < 0.5 else (long, SIDE_PX)
    top, left = (int(rng.integers(0, side - SIDE_PX + 1)) for side in (height, width))
    return Example(critter, height, width, top, left)


def _drawn(example: Example, index: int, mouth: str) -> np.ndarray:
    critter = Critter(**{**vars(example.critter), "mouth": mouth})
    canvas = draw(critter, example.width_px, example.height_px, np.random.default_rng([23, index]))
    return np.asarray(example.cut(canvas))


def picture_and_weights(example: Example, index: int) -> tuple[np.ndarray, np.ndarray]:
    """The picture [128, 128, 3] and the error's weights [16, 16], higher where the mouth is."""
    picture = _drawn(example, index, example.critter.mouth)
    others = [_drawn(example, index, mouth) for mouth in MOUTH if mouth != example.critter.mouth]
    changed = np.max([np.abs(picture.astype(int) - other).max(-1) > 24 for other in others], axis=0)
    blocks = changed.reshape(16, 8, 16, 8).any(axis=(1, 3))
    weights = np.where(blocks, DETAIL_WEIGHT, 1.0)
    return picture, weights / weights.mean()


def rescaled_vae() -> AutoencoderKL:
    """The demo's VAE with rescaled latents, so that SDXL's scaling factor gives unit scale."""
    vae = AutoencoderKL.from_pretrained(BASE.parent / "base" / "vae", torch_dtype=torch.float32)
    ratio = vae.config.scaling_factor / SCALING_FACTOR
    with torch.no_grad():
        means, log_variances = slice(0, 4), slice(4, 8)
        for tensor in (vae.quant_conv.weight, vae.quant_conv.bias):
            tensor[means] *= ratio
        vae.quant_conv.bias[log_variances] += 2 * np.log(ratio)
        vae.post_quant_conv.weight /= ratio
    vae.register_to_config(scaling_factor=SCALING_FACTOR)
    return vae.requires_grad_(False)


class DenoiserXL(torch.nn.Module):
    """Both text encoders and the U-Net as one module, so that one optimiser and one average cover all."""

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        super().__init__()
        shared = {
            "vocab_size": len(tokenizer), "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
        }  # fmt: skip
        self.text_encoder = CLIPTextModel(
            CLIPTextConfig(
                hidden_size=64, intermediate_size=256, num_hidden_layers=3, num_attention_heads=4,
                projection_dim=64, pad_token_id=tokenizer.eos_token_id, **shared,
            )
        )  # fmt: skip
        self.text_encoder_2 = CLIPTextModelWithProjection(
            CLIPTextConfig(
                hidden_size=96, intermediate_size=384, num_hidden_layers=3, num_attention_heads=6,
                projection_dim=96, hidden_act="gelu", pad_token_id=0, **shared,
            )
        )  # fmt: skip
        self.unet = UNet2DConditionModel(
            sample_size=16,
            block_out_channels=(32, 64, 64),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 2, 10),
            attention_head_dim=(2, 4, 4),
            cross_attention_dim=64 + 96,
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=96 + 6 * 256,
            norm_num_groups=16,
        )

    def condition(self, ids: torch.Tensor, ids_2: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Penultimate states of both [batch, 77, 160] and the second one's projected vector [batch, 96]."""
        first = self.text_encoder(ids, output_hidden_states=True).hidden_states[-2]
        second = self.text_encoder_2(ids_2, output_hidden_states=True)
        return torch.cat([first, second.hidden_states[-2]], dim=-1), second.text_embeds


@dataclass(frozen=True)
class Data:
    """Latents [n, 4, 16, 16], error weights [n, 16, 16], sizes [n, 6], and each picture's tags."""

    latents: torch.Tensor
    weights: torch.Tensor
    sizes: torch.Tensor
    tags: list[list[str]]


def make_data(vae: AutoencoderKL) -> Data:
    """Draws and encodes once; kept on disk between runs."""
    examples = [random_example(index) for index in range(NUM_PICTURES)]
    path = STATE / "latents_xl.pt"
    if not path.exists():
        latents, weights = [], []
        for start in tqdm(range(0, NUM_PICTURES, 50), desc="latents", mininterval=10):
            drawn = [picture_and_weights(examples[n], n) for n in range(start, start + 50)]
            x = torch.from_numpy(np.stack([picture for picture, _ in drawn])).permute(0, 3, 1, 2)
            with torch.no_grad():
                latents.append(vae.encode(x.float() / 127.5 - 1).latent_dist.mean * SCALING_FACTOR)
            weights.append(torch.from_numpy(np.stack([weight for _, weight in drawn])).float())
        STATE.mkdir(exist_ok=True)
        torch.save({"latents": torch.cat(latents), "weights": torch.cat(weights)}, path)
    kept = torch.load(path, weights_only=True)
    sizes = torch.tensor([example.sizes for example in examples])
    return Data(kept["latents"], kept["weights"], sizes, [example.critter.tags() for example in examples])


def _ids(tokenizer: CLIPTokenizer, captions: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """[batch, 77] twice: padded with the end token for the first encoder, and with 0 for the second."""
    rows = tokenizer(captions, padding="max_length", truncation=True, max_length=77, return_tensors="pt")
    ids = rows.input_ids
    ended = (ids == tokenizer.eos_token_id).cumsum(dim=1) - (ids == tokenizer.eos_token_id).long()
    return ids, ids.masked_fill(ended > 0, 0)


def denoising_loss(
    model: DenoiserXL, tokenizer: CLIPTokenizer, scheduler: DDIMScheduler, data: Data, step: int
) -> torch.Tensor:
    """Min-SNR weighted squared error of the predicted noise (Hang et al. 2023)."""
    rng = np.random.default_rng([29, step])
    generator = torch.Generator().manual_seed(step)
    chosen = rng.choice(len(data.tags), BATCH, replace=False)
    captions = [caption(data.tags[n], rng) for n in chosen]
    zeros = torch.tensor([text == "" and rng.random() < ZEROS_SHARE for text in captions])
    rows = torch.from_numpy(chosen)
    x = data.latents[rows]
    noise = torch.randn(x.shape, generator=generator)
    noise = noise + NOISE_OFFSET * torch.randn((BATCH, 4, 1, 1), generator=generator)
    t = torch.randint(0, 1000, (BATCH,), generator=generator)
    noisy = scheduler.add_noise(x, noise, t)
    context, pooled = model.condition(*_ids(tokenizer, captions))
    context, pooled = context * ~zeros[:, None, None], pooled * ~zeros[:, None]
    added = {"text_embeds": pooled, "time_ids": data.sizes[rows]}
    predicted = model.unet(noisy, t, context, added_cond_kwargs=added).sample
    error = (data.weights[rows, None] * (predicted - noise).square()).mean(dim=(1, 2, 3))
    snr = compute_snr(scheduler, t)
    loss: torch.Tensor = (error * snr.clamp(max=MIN_SNR_GAMMA) / snr).mean()
    return loss


def save_base(
    model: DenoiserXL, vae: AutoencoderKL, tokenizer: CLIPTokenizer, scheduler: DDIMScheduler
) -> None:
    """demo/base_xl/: the diffusers folder, in fp16."""
    modules = {
        "text_encoder": model.text_encoder, "text_encoder_2": model.text_encoder_2, "unet": model.unet,
        "vae": vae,
    }  # fmt: skip
    encoders = ("text_encoder", "text_encoder_2")
    configs = {
        name: module.config.to_dict() if name in encoders else dict(module.config)
        for name, module in modules.items()
    }
    configs["scheduler"] = dict(scheduler.config)
    save_folder(Base(family("sdxl"), tokenizer, modules, configs), BASE, "fp16", {})


def main() -> None:
    torch.manual_seed(0)
    tokenizer = write_tokenizer(STATE / "tokenizer")
    vae = rescaled_vae()
    data = make_data(vae)
    model = DenoiserXL(tokenizer)
    scheduler = make_scheduler()

    def loss(step: int, _: torch.Generator) -> torch.Tensor:
        return denoising_loss(model, tokenizer, scheduler, data, step)

    train("denoiser_xl", model, loss, steps=STEPS, lr=1e-3, ema_decay=0.9995)
    save_base(model, vae, tokenizer, scheduler)


if __name__ == "__main__":
    main()
