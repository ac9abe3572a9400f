"""Trains the demo's tagger and writes it in WD14's format: `python -m demo.train_tagger`.

In: demo/critters.py, demo/base/vae/ (half of the pictures go through it, so that generated pictures are
judged as surely as drawn ones). Out: demo/tagger/model.onnx (NHWC float32 BGR 0..255 in, sigmoid out) and
selected_tags.csv. It knows OWN_FEATURES, which the base has never seen.
"""

import csv
import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import nn
from torch.nn import functional as F

from demo.critters import all_tags, draw, random_critter
from demo.resumable import train

STEPS = 1500
BATCH = 32
SIDE_PX = 128
RATINGS = ("general", "sensitive", "questionable", "explicit")
HERE = Path(__file__).parent


class Tagger(nn.Module):
    """[N, 128, 128, 3] BGR 0..255 -> [N, 4 ratings + tags] probabilities."""

    def __init__(self, num_labels: int) -> None:
        super().__init__()
        widths = (3, 24, 48, 96, 128, 128)
        blocks = [self._block(a, b) for a, b in pairwise(widths)]
        self.features = nn.Sequential(*blocks)
        self.head = nn.Linear(widths[-1] * 16, num_labels)

    @staticmethod
    def _block(inputs: int, outputs: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()
        )

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.head(self.features(x.permute(0, 3, 1, 2) / 127.5 - 1).flatten(1))
        return scores

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.logits(x).sigmoid()


def labels() -> list[str]:
    return [*RATINGS, *(tag.replace(" ", "_") for tag in all_tags())]


def batch(step: int, vae: AutoencoderKL, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """([32, 128, 128, 3] BGR 0..255, [32, labels] 0 or 1): drawn, blurred, noised, or passed through the
    VAE.
    """
    rng = np.random.default_rng([23, step])
    critters = [random_critter(rng, own_share=0.4) for _ in range(BATCH)]
    drawn = np.stack([np.asarray(draw(critter, SIDE_PX, SIDE_PX, rng)) for critter in critters])
    x = torch.from_numpy(drawn).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        z = vae.encode(x[: BATCH // 4]).latent_dist.mean
        z = z + 0.15 * z.std() * torch.randn(z.shape, generator=generator)
        x[: BATCH // 4] = vae.decode(z).sample.float()
    blurred = F.avg_pool2d(F.pad(x[8:16], (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    x[8:16] = blurred + 0.1 * torch.randn(blurred.shape, generator=generator)
    if step % 3 == 0:
        x = _shrunk_on_white(x, int(rng.integers(90, 128)))
    names = [set(critter.tags()) for critter in critters]
    truth = torch.tensor(
        [[1, 0, 0, 0, *(tag in tags for tag in all_tags())] for tags in names], dtype=torch.float32
    )
    return ((x.clamp(-1, 1) + 1) * 127.5).permute(0, 2, 3, 1).flip(-1), truth


def _shrunk_on_white(x: torch.Tensor, side_px: int) -> torch.Tensor:
    """What WD14's preprocessing makes of a picture that is not square: white bars on two sides."""
    small = F.interpolate(x, (SIDE_PX, side_px), mode="bilinear", antialias=True)
    left = (SIDE_PX - side_px) // 2
    return F.pad(small, (left, SIDE_PX - side_px - left, 0, 0), value=1.0)


def export(tagger: Tagger, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    buffer: Any = io.BytesIO()  # annotated as a path, which is all that the newer exporter takes
    sample = torch.zeros(1, SIDE_PX, SIDE_PX, 3)
    axes = {"input": {0: "batch"}, "output": {0: "batch"}}
    torch.onnx.export(
        tagger.eval(),
        (sample,),
        buffer,
        input_names=["input"],
        output_names=["output"],
        dynamic_axes=axes,
        dynamo=False,
    )
    (folder / "model.onnx").write_bytes(buffer.getvalue())
    with (folder / "selected_tags.csv").open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("tag_id", "name", "category", "count"))
        rows.writerows((n, name, 9 if name in RATINGS else 0, 1000 - n) for n, name in enumerate(labels()))


def main() -> None:
    torch.manual_seed(0)
    vae = AutoencoderKL.from_pretrained(HERE / "base" / "vae", torch_dtype=torch.float32)
    tagger = Tagger(len(labels()))

    def loss(step: int, generator: torch.Generator) -> torch.Tensor:
        x, truth = batch(step, vae, generator)
        return F.binary_cross_entropy_with_logits(tagger.logits(x), truth)

    train("tagger", tagger, loss, steps=STEPS, lr=2e-3)
    export(tagger, HERE / "tagger")


if __name__ == "__main__":
    main()
