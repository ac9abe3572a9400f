"""The plan's memory of SD 3: of its published sizes, with and without T5, and what T5 in 8 bits saves."""

from dataclasses import replace

import pytest

from pipeline.bases.base import Base
from pipeline.bases.outline import outline
from pipeline.bases.registry import family
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.schemas import Config
from pipeline.training.planning.estimate import needed_bytes, numbers_of
from pipeline.training.planning.levers import levers

pytestmark = pytest.mark.usefixtures("root")
T5_NUMBERS = 4_762_310_656
PLAIN = {
    "train.precision": "bf16",
    "train.gradient_checkpointing": True,
    "network.text_encoder": False,
    "sample_grid.sampler": "euler",
    "class_images.sampler": "euler",
}


def config_of(**changes: object) -> Config:
    values = PLAIN | {key.replace("__", "."): value for key, value in changes.items()}
    return check(compose(Params({"base": "sd35_medium", "network": "lora"}, values)))


def published(with_t5: bool) -> Base:
    made = family("sd3")
    return outline(made, {}, "test", made.configs if with_t5 else made.whole_configs)


def test_a_step_of_medium_is_planned_as_counted() -> None:
    """step_cost counts 3.125 GiB of activations of a picture of 512 px in bf16, 0.274 with checkpointing."""
    found = numbers_of(config_of(), published(with_t5=False), 512, 512)
    assert found.denoiser == 2_469_663_936
    assert 2 * found.kept / 2**30 == pytest.approx(3.125, rel=0.1)
    assert 2 * found.recomputed / 2**30 == pytest.approx(0.274, rel=0.1)


def test_t5_needs_memory_only_where_it_reads_in_every_step() -> None:
    base = published(with_t5=True)
    numbers = numbers_of(config_of(), base, 512, 512)
    assert numbers.t5 == T5_NUMBERS
    kept = config_of(train__shuffle_tags=False)
    step = needed_bytes(replace(numbers, t5=0), kept)
    each_step = {"train__shuffle_tags": True}
    same, eight = (needed_bytes(numbers, config_of(base__t5=how, **each_step)) for how in ("own", "int8"))
    alone = needed_bytes(numbers_of(config_of(), published(with_t5=False), 512, 512), config_of(**each_step))
    assert same - alone == 2 * T5_NUMBERS
    assert same - eight == pytest.approx(0.92 * T5_NUMBERS, rel=1e-6)
    assert step < alone
    # All encoders are on the device before the first step, without the denoiser.
    first = 2 * (T5_NUMBERS + numbers.texts) + 4 * numbers.learning
    assert needed_bytes(numbers, kept) == max(step, first)
    assert "base.t5: int8, half of T5's memory" in levers(kept)
