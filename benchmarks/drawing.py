"""The cost of drawing relative to its denoiser calls: `python -m benchmarks.drawing [--seeds 8] [--steps
20]`.

Draws pictures of one prompt with several seeds on the demo's base, together and one by one, then makes the
same calls of the bare U-Net, and prints processor time and the ratio of both.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from PIL import Image

from pipeline.bases.base import Base
from pipeline.bases.load import load_base
from pipeline.drawing.text_to_image import draw
from pipeline.prompts.settings import DrawingSettings, PictureJob
from pipeline.schemas import BaseConfig
from pipeline.typed_numbers import whole_number

DEMO = BaseConfig.plain("demo/base")
SIDE = 128
PROMPT = "zibbo, (smile:1.2), blue background"


def seconds(work: Callable[[], object], times: int = 3) -> float:
    """Processor time: the least of several runs."""
    runs = []
    for _ in range(times):
        started = time.process_time()
        work()
        runs.append(time.process_time() - started)
    return min(runs)


def pictures(base: Base, jobs: Sequence[PictureJob], settings: DrawingSettings) -> list[Image.Image]:
    return list(draw(base, jobs, settings))


@torch.no_grad()
def bare(base: Base, calls: int, batch: int) -> None:
    """The denoiser alone, with and without the prompt in one batch."""
    latents = torch.zeros(2 * batch, 4, SIDE // 8, SIDE // 8, device=base.denoiser.device)
    context = torch.zeros(
        2 * batch, 77, base.text_encoders[0].config.hidden_size, device=base.denoiser.device
    )
    for _ in range(calls):
        base.denoiser(latents, torch.tensor(500), context, return_dict=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=whole_number(1), default=8)
    parser.add_argument("--steps", type=whole_number(1), default=20)
    options = parser.parse_args()
    base = load_base(DEMO)
    jobs = [PictureJob(PROMPT, seed) for seed in range(options.seeds)]
    for batch in (options.seeds, 1):
        settings = DrawingSettings(
            steps=options.steps, guidance=5.0, sampler="euler_a", negative_prompt="", width=SIDE,
            height=SIDE, clip_skip=1, batch=batch,
        )  # fmt: skip
        calls = options.steps * options.seeds // batch
        drawn, floor = (
            seconds(partial(pictures, base, jobs, settings)),
            seconds(partial(bare, base, calls, batch)),
        )
        print(
            f"{batch} at once: {drawn / options.seeds * 1000:.0f} ms a picture,"
            f" {drawn / floor:.2f} times the bare denoiser calls"
        )


if __name__ == "__main__":
    main()
