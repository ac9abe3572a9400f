"""Every seed up to the largest works wherever one is used, and a larger one is refused with the range."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from PIL import Image

from pipeline.bases.base import Base
from pipeline.bases.load import load_base
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.drawing.samplers import Sampler
from pipeline.errors import UserError
from pipeline.grid.axes import GRID_AXES
from pipeline.prompts.settings import DrawingSettings, PictureJob
from pipeline.seeds import MOST_SEED, folded
from stages import class_images
from tests.pipeline.training.test_module import batch_of, module_of, settings

pytestmark = pytest.mark.usefixtures("root")


def composed(**values: Any) -> dict[str, Any]:
    return compose(Params({}, {key.replace("__", "."): value for key, value in values.items()}))


def test_a_seed_stays_what_it_is_and_what_is_beyond_begins_again() -> None:
    assert [folded(number) for number in (0, 7, 2**63, 2**64 - 1)] == [0, 7, 2**63, 2**64 - 1]
    assert [folded(2**64), folded(2**64 + 5)] == [0, 5]


@pytest.mark.parametrize("key", ["seed", "sample_grid__seeds"])
def test_the_largest_seed_is_taken_and_one_more_is_refused(key: str) -> None:
    def of(seed: int) -> dict[str, Any]:
        return composed(**{key: [seed] if key.endswith("s") else seed})

    check(of(2**64 - 1))
    with pytest.raises(UserError, match="less than or equal to 18446744073709551615"):
        check(of(2**64))


def test_a_training_step_takes_the_largest_seed() -> None:
    base = load_base(settings().base)
    module = module_of(base, settings(seed=MOST_SEED))
    # (2**64 - 1) * 1_000_003 + 1_000_010 leaves 7 beyond a multiple of 2**64.
    assert module._seed_of(1_000_010) == 7
    assert module.picture_losses(batch_of(base, 3)).isfinite().all()


@pytest.mark.parametrize("sampler", ["ddim", "euler_a", "dpmpp_sde"])
def test_a_picture_starts_from_the_largest_seed(sampler: str) -> None:
    base = load_base(settings().base)
    noise = Sampler(sampler, base.configs["scheduler"], 2, torch.device("cpu")).noise([MOST_SEED], 64, 64)
    assert noise.isfinite().all()


def test_an_axis_of_seeds_keeps_all_digits() -> None:
    axis = GRID_AXES["seed"]
    values = axis.read(["18446744073709551614", MOST_SEED])
    assert [axis.label(value) for value in values] == [
        "seed 18446744073709551614",
        "seed 18446744073709551615",
    ]
    with pytest.raises(UserError, match="must be from 0 to 18446744073709551615"):
        axis.read([2**64])


def test_class_pictures_go_on_from_the_largest_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    config = check(composed(seed=MOST_SEED, class_images__count=2, class_images__prompt="a cat"))
    origins = [class_images.record(n, b"", MOST_SEED + n, config).origin for n in range(2)]
    assert origins == [{"seed": MOST_SEED}, {"seed": 0}]
    drawn: list[int] = []

    def nothing(_base: Base, jobs: Sequence[PictureJob], _settings: DrawingSettings) -> list[Image.Image]:
        drawn.extend(job.seed for job in jobs)
        return []

    monkeypatch.setattr("pipeline.drawing.text_to_image.draw", nothing)
    with pytest.raises(ValueError, match="zip"):  # no picture comes of it
        list(class_images.fresh(config, [MOST_SEED, MOST_SEED + 1]))
    assert drawn == [MOST_SEED, 0]
