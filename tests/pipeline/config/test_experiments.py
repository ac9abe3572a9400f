"""The presets: each composes, and practitioners have nothing against it for the amounts it is meant for."""

import pytest

from pipeline.config.check import check
from pipeline.config.compose import Params, compose, options
from pipeline.config.explain import differences
from pipeline.pictures.advice import Concept, counts_advice, repeats_advice
from pipeline.schemas import AdapterNetworkConfig, Config
from pipeline.training.epoch_order import EpochPicture
from pipeline.training.planning.advice import USUAL_UPDATES, advice
from pipeline.training.planning.forecast import make_plan

MEANT_FOR = {
    "character": 20, "person": 28, "style": 50, "concept": 40, "embedding": 20, "dreambooth": 10,
    "hypernetwork": 50, "sdxl_character": 20, "sdxl_style": 50,
    "noobai_vpred": 20, "sd21": 20, "sd3_character": 20,
}  # fmt: skip
"""Preset -> pictures."""

pytestmark = pytest.mark.usefixtures("root")


def test_every_preset_is_held_against_the_figures() -> None:
    assert set(options("experiment")) == MEANT_FOR.keys()


def composed(name: str) -> Config:
    return check(compose(Params({"base": "tiny", "experiment": name}, {})))


@pytest.mark.parametrize("name", MEANT_FOR)
def test_advice_is_silent(name: str) -> None:
    config = composed(name)
    pictures = MEANT_FOR[name]
    repeats = config.collect.repeats
    concepts = [Concept("it", pictures, repeats * pictures)]
    assert counts_advice(concepts, config.collect.aim) == []
    assert repeats_advice(concepts, config.collect.aim) == []
    held_out = round(pictures * config.validation.share)
    shown = [EpochPicture(repeats, False, (512, 512))] * (pictures - held_out)
    shown += [EpochPicture(1, True, (512, 512))] * config.class_images.count
    plan = make_plan(
        [("it", each) for each in shown],
        held_out=held_out,
        epochs=config.train.epochs,
        batch=config.train.batch,
        accumulation=config.train.gradient_accumulation,
        form=config.train.prior_form,
    )
    aims = dict(USUAL_UPDATES)
    aim = config.collect.aim if config.collect.aim in aims else "character"
    wanted = f"a {aim} {aims[aim]}"
    told = advice(plan, config)
    assert [text for text in told if wanted in text or "are usual" not in text] == []


@pytest.mark.parametrize("name", MEANT_FOR)
def test_what_a_preset_sets_can_be_told(name: str) -> None:
    told = differences(Params({"base": "tiny", "experiment": name}, {}))
    assert [row["group"] for row in told["use"]] == ["experiment"]
    assert "@package" not in told["use"][0]["comment"]
    assert all(row["comment"] for row in told["values"])


def test_a_preset_for_a_card_is_told_apart_from_the_subjects() -> None:
    """Both set the checkpointing: the card's counts. The optimiser is the card's, the noise the subject's."""
    params = Params({"base": "tiny", "experiment": "sdxl_character", "memory": "16gb"}, {})
    values = {row["key"]: row for row in differences(params)["values"]}
    assert values["train.precision"]["value"] == "bf16"
    assert "train.gradient_checkpointing" not in values, "false again, as by default"
    config = check(compose(Params({**params.use, "memory": "8gb"}, {})))
    assert (config.optimizer.name, config.noise.min_snr_gamma) == ("adamw8bit", 5.0)


def test_a_choice_in_params_goes_before_the_presets() -> None:
    params = Params({"experiment": "character", "network": "locon"}, {"network.dim": 8})
    config = check(compose(params))
    network = config.network
    assert isinstance(network, AdapterNetworkConfig)
    assert (network.name, network.dim, network.conv_dim) == ("locon", 8, 8)
