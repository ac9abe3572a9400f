"""Trains the demo's eye, an encoder whose features tell critters apart, and clean faces from smeared ones:
`python -m demo.train_eye`.

In: demo/critters.py, demo/base/vae/. Out: demo/eye/: model.onnx (`pixel_values` [n, 3, 128, 128] in,
`image_embeds` [n, 128] out), preprocessor_config.json, and aesthetic.safetensors, a linear head that says how
clean the face is.

Two pictures of one character, with other surroundings, pose and face, come close (InfoNCE, van den Oord et
al. 2018); characters that differ in one feature, and the same picture with a smeared face, do not.
"""

import io
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from demo.critters import BODY, EARS, FUR, HAT, OWN_FEATURES, Critter, draw, random_critter
from demo.resumable import train

STEPS = 7000
CHARACTERS = 12
"""A step's characters; each gives two pictures, a smeared one, and one that differs in one feature."""
SIDE_PX, FEATURES = 128, 128
SIZES_PX = ((128, 128), (144, 144), (192, 128), (128, 160), (128, 192), (160, 200))
"""Width and height that a picture is drawn at before it is cut to a square."""
TEMPERATURE = 0.1
HERE = Path(__file__).parent


class Eye(nn.Module):
    """[n, 3, 128, 128] of -1..1 -> [n, 128] features; `clean`: [n] logits of a clean face."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 24, 48, 64, 96, 96)
        self.trunk = nn.Sequential(*(self._block(a, b) for a, b in pairwise(widths)))
        self.features = nn.Linear(widths[-1] * 16, FEATURES)
        self.head = nn.Linear(FEATURES, 1)

    @staticmethod
    def _block(inputs: int, outputs: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.features(self.trunk(x).flatten(1))
        return F.normalize(features, dim=1)

    def clean(self, features: torch.Tensor) -> torch.Tensor:
        """Features have unit length; the head's weights hold the scale."""
        logits: torch.Tensor = self.head(features)[:, 0]
        return logits


def relative(critter: Critter, rng: np.random.Generator) -> Critter:
    """The same character elsewhere: other eyes, mouth, background, pose and framing."""
    other = random_critter(rng)
    return replace(
        critter, eyes=other.eyes, mouth=other.mouth, background=other.background, pose=other.pose,
        framing=other.framing,
    )  # fmt: skip


def neighbour(critter: Critter, rng: np.random.Generator) -> Critter:
    """Another character: one feature differs."""
    feature = str(rng.choice(["fur", "body", "ears", "hat", "own"]))
    if feature == "own":
        changed = str(rng.choice(OWN_FEATURES))
        has = set(critter.own) ^ {changed}
        return replace(critter, own=tuple(tag for tag in OWN_FEATURES if tag in has))
    options = {"fur": list(FUR), "body": list(BODY), "ears": list(EARS), "hat": list(HAT)}[feature]
    others = [each for each in options if each != getattr(critter, feature)]
    changes: dict[str, Any] = {feature: str(rng.choice(others))}
    return replace(critter, **changes)


def face_box(critter: Critter, moved: tuple[float, float] = (0.0, 0.0)) -> tuple[int, int, int, int]:
    """Left, top, right, bottom in px of where the face is, give or take the drawing's small moves."""
    close = critter.framing == "close-up"
    lift = {"jumping": -0.08, "sitting": 0.07}.get(critter.pose, 0.0)
    y, radius = (0.62, 0.4) if close else (0.56 + lift, 0.235)
    x, middle = SIDE_PX / 2 + moved[0], SIDE_PX * y + moved[1]
    wide, high = SIDE_PX * radius * 0.8, SIDE_PX * radius * 0.75
    return round(x - wide), round(middle - high), round(x + wide), round(middle + high)


def cropped(critter: Critter, rng: np.random.Generator) -> tuple[Image.Image, tuple[float, float]]:
    """The critter, drawn at a size by chance, cut to a square by chance and shrunk, as the crop stage does;
    and how far that moved it from the middle, right and down in px.
    """
    width, height = SIZES_PX[rng.integers(len(SIZES_PX))]
    side = min(width, height)
    left, top = rng.uniform(0, width - side), rng.uniform(0, height - side)
    picture = draw(critter, width, height, rng)
    small = picture.resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS, (left, top, left + side, top + side))
    scale = SIDE_PX / side
    return small, (((width - side) / 2 - left) * scale, ((height - side) / 2 - top) * scale)


def smeared(critter: Critter, rng: np.random.Generator) -> Image.Image:
    """The critter with its face displaced by smooth noise, in some pictures also blurred: what a network
    leaves that has not learned faces.
    """
    picture, moved_px = cropped(critter, rng)
    left, top, right, bottom = face_box(critter, moved_px)
    pixels = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None].float()
    coarse = torch.from_numpy(rng.normal(size=(1, 2, int(rng.integers(8, 20)), int(rng.integers(8, 20)))))
    strength = rng.uniform(0.035, 0.13) * (1.6 if critter.framing == "close-up" else 1.0)
    moves = F.interpolate(coarse.float(), (SIDE_PX, SIDE_PX), mode="bicubic", align_corners=False) * strength
    inside = torch.zeros(1, 1, SIDE_PX, SIDE_PX)
    inside[..., max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = 1
    inside = F.avg_pool2d(inside, 7, 1, 3)
    axis = torch.linspace(-1, 1, SIDE_PX)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)[None]
    moved = F.grid_sample(
        pixels, grid + (moves * inside).permute(0, 2, 3, 1), padding_mode="border", align_corners=True
    )
    if rng.random() < 0.5:
        width = 2 * int(rng.integers(1, 4)) + 1
        soft = F.avg_pool2d(F.pad(moved, [width // 2] * 4, mode="replicate"), width, 1)
        moved = torch.lerp(moved, soft, inside)
    return Image.fromarray(moved[0].permute(1, 2, 0).clamp(0, 255).byte().numpy())


def batch(step: int, vae: AutoencoderKL, generator: torch.Generator) -> torch.Tensor:
    """[4 * 12, 3, 128, 128] of -1..1: two pictures of each character, a smeared one, a neighbour; some are
    blurred, noised or passed through the VAE, as generated pictures are.
    """
    rng = np.random.default_rng([31, step])
    characters = [random_critter(rng, own_share=0.6) for _ in range(CHARACTERS)]
    rows: list[list[Image.Image]] = [[], [], [], []]
    for character in characters:
        one, two, smeared_one = character, relative(character, rng), relative(character, rng)
        rows[0].append(cropped(one, rng)[0])
        rows[1].append(cropped(two, rng)[0])
        rows[2].append(smeared(smeared_one, rng))
        rows[3].append(cropped(relative(neighbour(character, rng), rng), rng)[0])
    x = torch.stack([torch.from_numpy(np.asarray(each).copy()) for row in rows for each in row])
    x = x.permute(0, 3, 1, 2).float() / 127.5 - 1
    chosen = torch.randperm(len(x), generator=generator)
    passed, blurred = chosen[: len(x) // 10], chosen[len(x) // 10 : len(x) // 3]
    with torch.no_grad():
        z = vae.encode(x[passed]).latent_dist.mean
        z = z + 0.1 * z.std() * torch.randn(z.shape, generator=generator)
        x[passed] = vae.decode(z).sample
    soft = F.avg_pool2d(F.pad(x[blurred], (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    x[blurred] = soft + 0.05 * torch.randn(soft.shape, generator=generator)
    return x.clamp(-1, 1)


def eye_loss(eye: Eye, vae: AutoencoderKL, step: int, generator: torch.Generator) -> torch.Tensor:
    """InfoNCE of both pictures of each character against all others, and the cross-entropy of clean faces."""
    features = eye(batch(step, vae, generator))
    one, two = features[:CHARACTERS], features[CHARACTERS : 2 * CHARACTERS]
    target = torch.arange(CHARACTERS)
    losses = []
    for query, positive in ((one, two), (two, one)):
        others = torch.cat([positive, features[2 * CHARACTERS :]])
        losses.append(F.cross_entropy(query @ others.T / TEMPERATURE, target))
    is_clean = torch.ones(len(features))
    is_clean[2 * CHARACTERS : 3 * CHARACTERS] = 0
    quality = F.binary_cross_entropy_with_logits(eye.clean(features), is_clean)
    return torch.stack(losses).mean() + quality


def export(eye: Eye, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    buffer: Any = io.BytesIO()  # annotated as a path, which is all that the newer exporter takes
    axes = {"pixel_values": {0: "batch"}, "image_embeds": {0: "batch"}}
    torch.onnx.export(
        eye.eval(), (torch.zeros(1, 3, SIDE_PX, SIDE_PX),), buffer, input_names=["pixel_values"],
        output_names=["image_embeds"], dynamic_axes=axes, dynamo=False,
    )  # fmt: skip
    (folder / "model.onnx").write_bytes(buffer.getvalue())
    settings = {
        "do_center_crop": False, "do_convert_rgb": True, "do_normalize": True, "do_rescale": True,
        "do_resize": True, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "resample": 3,
        "rescale_factor": 1 / 255, "size": {"height": SIDE_PX, "width": SIDE_PX},
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
    head = {"weight": eye.head.weight.detach().clone(), "bias": eye.head.bias.detach().clone()}
    save_file(head, folder / "aesthetic.safetensors")


def main() -> None:
    torch.manual_seed(0)
    vae = AutoencoderKL.from_pretrained(HERE / "base" / "vae", torch_dtype=torch.float32)
    eye = Eye()
    train("eye", eye, lambda step, generator: eye_loss(eye, vae, step, generator), steps=STEPS, lr=2e-3)
    export(eye, HERE / "eye")


if __name__ == "__main__":
    main()
