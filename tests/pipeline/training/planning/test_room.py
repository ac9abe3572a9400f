"""A device that is too small is seen before a base is loaded."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch

from pipeline.bases.outline import outline
from pipeline.bases.registry import family
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.config.load import listed_groups
from pipeline.errors import UserError
from pipeline.schemas import Config
from pipeline.training.planning.cost import step_cost
from pipeline.training.planning.estimate import needed_bytes, numbers_of
from pipeline.training.planning.levers import levers_of, out_of_memory, pulled
from pipeline.training.planning.room import cheapest, judge, size
from tests.pipeline.training.test_module import batch_of, frozen_base, module_of, settings

pytestmark = pytest.mark.usefixtures("root")
GIB = 2**30


def config_of(use: Mapping[str, str], **train: object) -> Config:
    """As the stage has it: the groups that dvc.yaml lists for it, and no others."""
    whole = check(compose(Params(dict(use), {f"train.{key}": value for key, value in train.items()})))
    return Config.model_construct(**{group: getattr(whole, group) for group in listed_groups("train")})


def needs(config: Config) -> int:
    """A run of 20 GiB: in 16 bits half, with checkpointing 4 less, in 8 bits 3 less."""
    train = config.train
    gib = 20 if train.precision == "fp32" else 10
    return (gib - 4 * train.gradient_checkpointing - 3 * (train.base_precision == "int8")) * GIB


LORA = {"base": "sd15", "network": "lora"}


@pytest.mark.parametrize(
    ("gib", "keys"),
    [
        (10, ["train.precision"]),
        (6, ["train.precision", "train.gradient_checkpointing"]),
        (3, ["train.precision", "train.gradient_checkpointing", "train.base_precision"]),
    ],
)
def test_the_least_harmful_settings_that_fit(gib: int, keys: list[str]) -> None:
    found = cheapest(config_of(LORA), needs, gib * GIB)
    assert found is not None
    assert [each.values[0][0] for each in found] == keys


def test_nothing_fits() -> None:
    assert cheapest(config_of(LORA), needs, 2 * GIB) is None
    with pytest.raises(UserError, match=r"with all that saves memory it needs 3\.0 GiB"):
        judge(config_of(LORA), needs, 2 * GIB)


def test_a_device_that_is_a_little_small_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    judge(config_of(LORA), needs, 16 * GIB)
    said = capsys.readouterr().err
    assert "needs about 20.0 GiB of the device's memory, which has 16.0" in said
    assert "set in params.yaml train.precision: bf16 (fp16 on cards before RTX 30)" in said
    assert "(10.0 GiB)" in said
    assert "gradient_checkpointing" not in said
    judge(config_of(LORA), needs, 23 * GIB)
    assert not capsys.readouterr().err


def test_a_hopeless_run_stops() -> None:
    with pytest.raises(UserError, match=r"train\.precision: bf16.*\(10\.0 GiB\)"):
        judge(config_of(LORA), needs, 13 * GIB)


def test_the_levers_are_settings() -> None:
    config = config_of(LORA, batch=4, gradient_accumulation=2)
    made = pulled(config, levers_of(config))
    assert (made.train.batch, made.train.gradient_accumulation, made.train.precision) == (1, 8, "bf16")
    assert made.optimizer.name == "adamw8bit"
    assert made.train.offload == 1.0
    assert [each.values for each in levers_of(made)] == [()]  # a smaller resolution
    for lever in levers_of(config):
        for key, value in lever.values:
            compose(Params(LORA, {key: value}))  # a key that is none would be an error


def test_the_weights_of_sd1_are_counted_without_reading_one() -> None:
    """SD 1.x has 859,520,964 weights in its U-Net, 123,060,480 in its text encoder (published)."""
    config = config_of({"base": "sd15", "network": "checkpoint"})
    numbers = numbers_of(config, outline(family("sd1"), {}, "test"), 512, 512)
    assert numbers.denoiser == 859_520_964
    assert numbers.texts == 123_060_480
    learning = numbers.denoiser + numbers.texts * getattr(config.network, "text_encoder")  # noqa: B009
    assert numbers.learning == learning
    # Weight, gradient and two moments of 4 bytes; the frozen text encoder, if it is, in 4.
    frozen = numbers.texts if learning == numbers.denoiser else 0
    fixed = needed_bytes(numbers, config) - 4 * numbers.kept
    assert fixed == pytest.approx(16 * learning + 4 * frozen, rel=1e-4)  # counters of steps


def checkpoint_bytes(**values: object) -> int:
    """Of a checkpoint of SD 1.x in bf16 without activations."""
    use = {"base": "sd15", "network": "checkpoint"}
    named = {key.replace("__", "."): value for key, value in values.items()}
    plain = {"train.precision": "bf16", "network.text_encoder": False, "train.shuffle_tags": True}
    config = check(compose(Params(use, {**plain, **named})))
    numbers = numbers_of(config, outline(family("sd1"), {}, "test"), 64, 64)
    return needed_bytes(replace(numbers, kept=0, recomputed=0), config)


UNET, TEXTS = 859_520_964, 123_060_480


def test_a_checkpoint_keeps_its_copies_in_16_bits() -> None:
    """In 16 bits the frozen text encoder; weight, gradient, two moments of 4 bytes, and a copy of 2."""
    assert checkpoint_bytes() == pytest.approx(2 * TEXTS + 18 * UNET, rel=1e-4)
    assert checkpoint_bytes(train__ema_decay=0.99) == pytest.approx(2 * TEXTS + 22 * UNET, rel=1e-4)
    in_bf16 = checkpoint_bytes(network__weight_precision="bf16")
    assert in_bf16 == pytest.approx(2 * TEXTS + 8 * UNET, rel=1e-4)


def test_weights_that_are_left_out_are_only_held() -> None:
    """One block learns; the rest of the U-Net stays in 32 bits, since the part is trained."""
    found = checkpoint_bytes(network__blocks=["M00"])
    assert 4 * UNET < found - 2 * TEXTS < 7 * UNET


def test_texts_are_encoded_before_the_denoiser_comes() -> None:
    """A text encoder larger than the rest, as T5 is, sets the peak; sample pictures need both at once."""
    use = {"base": "sdxl", "experiment": "sdxl_character", "memory": "8gb"}
    numbers = numbers_of(config_of(use), outline(family("sdxl"), {}, "test"), 64, 64)
    large = replace(numbers, texts=10 * numbers.denoiser)
    before = needed_bytes(large, config_of(use))
    assert before == pytest.approx(20 * numbers.denoiser + 4 * numbers.learning, rel=1e-6)
    drawn = check(compose(Params(use, {"logging.sample_prompts": ["a"]})))
    assert needed_bytes(large, drawn) > before + 2 * numbers.denoiser


@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_estimate_is_near_the_counted_step(checkpointing: bool) -> None:
    """A step of a small base, counted operation by operation; what single kernels keep is not estimated."""
    base = frozen_base()
    config = settings(train__gradient_checkpointing=checkpointing, network__text_encoder=False)
    module, batch = module_of(base, config), batch_of(base)
    module.prepare()
    with module.network.attached(base):
        counted = step_cost(module, batch)
    side = 8 * base.latents.cell_px
    numbers = numbers_of(config, frozen_base(), side, side)
    assert 4 * (numbers.recomputed if checkpointing else numbers.kept) == pytest.approx(
        counted.picture_bytes, rel=0.3
    )
    fixed = needed_bytes(
        numbers, config.model_copy(update={"train": config.train.model_copy(update={"batch": 0})})
    )
    assert fixed == pytest.approx(counted.fixed_bytes, rel=0.01)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_estimate_of_sdxl(checkpointing: bool) -> None:
    """6.4 and 0.71 GiB a picture by the counted plan; 2.6 billion weights of 2 bytes in the U-Net."""
    config = config_of(
        {"base": "sdxl", "experiment": "sdxl_character", "memory": "16gb"},
        gradient_checkpointing=checkpointing,
    )
    found = needed_bytes(numbers_of(config, outline(family("sdxl"), {}, "test"), 1024, 1024), config)
    assert found / GIB == pytest.approx(6.1 if checkpointing else 11.9, rel=0.15)
    assert not torch.cuda.is_initialized()


def test_a_whole_checkpoint_gets_levers_that_go_together() -> None:
    """What one makes possible comes after it, and all of them are settings that agree."""
    use = {"base": "sdxl", "network": "checkpoint"}
    numbers = numbers_of(config_of(use), outline(family("sdxl"), {}, "test"), 1024, 1024)
    found = cheapest(config_of(use), lambda each: needed_bytes(numbers, each), 9 * GIB)
    assert found is not None
    values = dict(pair for lever in found for pair in lever.values)
    assert values["train.fused_backward"]
    assert values["train.offload"] in (0.5, 1.0)
    name = values.pop("optimizer.name", "adamw")
    check(compose(Params({**use, "optimizer": name}, values)))


def test_a_small_amount_is_in_mebibytes() -> None:
    assert [size(each * 2**20) for each in (52.4, 102.3, 103, 1536)] == [
        "52 MiB",
        "102 MiB",
        "0.1 GiB",
        "1.5 GiB",
    ]


def test_the_sentence_on_full_memory_from_the_stages_own_settings() -> None:
    """The stage reads some groups only, and the advice has to go together with all."""
    said = out_of_memory(config_of({"memory": "8gb"}, ema_decay=0.999), is_kept=True)
    assert "train.offload: 0.5" in said
    assert "train.ema_decay: null" in said
    assert "gradient_checkpointing" not in said  # the preset has it
    assert "`dvc repro` carries on" in said
