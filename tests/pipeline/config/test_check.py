from typing import Any

import pytest

from pipeline.config.check import check, resolve
from pipeline.config.compose import Params, compose
from pipeline.config.rules import doubtful
from pipeline.errors import UserError

pytestmark = pytest.mark.usefixtures("root")


def composed(**values: Any) -> dict[str, Any]:
    return compose(Params({}, {key.replace("__", "."): value for key, value in values.items()}))


def test_all_mistakes_come_at_once_with_key_value_and_what_is_allowed() -> None:
    with pytest.raises(UserError) as error:
        check(composed(network__dim="eight", optimizer__lr=-1, crop__resolution=100, merge__epoch="first"))
    text = str(error.value)
    assert "network.dim: 'eight' is not allowed" in text
    assert "optimizer.lr: -1 is not allowed; input should be greater than or equal to 0" in text
    assert "crop.resolution: 100 is not allowed; input should be a multiple of 64" in text
    assert "merge.epoch: 'first' is not allowed" in text


def test_unknown_names_and_wrong_values_come_together() -> None:
    params = Params(
        {"schedule": "cosin"}, {"network.dimm": 8, "train.epochs": 0}, frozenset({"network.dimm"})
    )
    with pytest.raises(UserError) as error:
        resolve(params)
    assert [problem.split(";")[0] for problem in error.value.problems] == [
        "params.yaml: use.schedule: 'cosin' is not an option of conf/schedule/",
        "command line: network.dimm is not a setting of the chosen network",
        "train.epochs: 0 is not allowed",
    ]


@pytest.mark.parametrize("key", ["train__epochs", "network__dim", "train__batch"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "8", True, None])
def test_counts_must_be_positive_whole_numbers(key: str, value: object) -> None:
    with pytest.raises(UserError, match=key.replace("__", ".")):
        check(composed(**{key: value}))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"network__unet": False, "network__text_encoder": False}, "nothing would be trained"),
        ({"class_images__count": 10}, "class_images.prompt is empty"),
        (
            {"class_images__count": 10, "class_images__prompt": "dog", "class_images__resolution": 256},
            "class_images.resolution 256 differs from crop.resolution 128",
        ),
        ({"doctor__action": "rollback", "train__devices": 2}, "works on one device"),
        (
            {"tag__model": ["a", "b"], "tag__sha256": ["0" * 64]},
            "tag.sha256 must list a hash, or null, for each",
        ),
        (
            {"tag__model": ["a", "b"], "tag__sha256": "0" * 64},
            "tag.sha256 must list a hash, or null, for each",
        ),
        ({"tag__min_length": 49}, "tag.min_length 49 is above tag.max_length 48"),
        ({"collect__checks__truncated": "warn"}, "collect.checks.truncated: warn is not allowed"),
        ({"collect__checks__unreadable": False}, "collect.checks.unreadable: off is not allowed"),
    ],
)
def test_settings_that_contradict_each_other_are_errors(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        check(composed(**values))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"network__text_encoder": False}, "optimizer.text_encoder_lr has no effect"),
        ({"network__unet": False}, "optimizer.lr has no effect"),
        ({"train__shuffle_tags": False}, "train.keep_tokens has no effect"),
        ({"network__alpha": 64}, "network.alpha 64 is above network.dim 32"),
        ({"train__save_every_epochs": 50}, "only the last epoch is saved"),
        ({"validation__share": 0.1, "validation__pictures": 0}, "so they are not measured"),
        ({"validation__every_epochs": 1, "validation__pictures": 0}, "validation.every_epochs has no effect"),
        (
            {"tag__model": None, "sample_grid__subject_tags": ["smile"]},
            "sample_grid.subject_tags has no effect: tag.model is null",
        ),
        ({"filter_tags__escape": True}, "training here learns the backslashes"),
        (
            {
                "filter_tags__identity_lists": [],
                "filter_tags__identity_share": None,
                "filter_tags__keep": ["a"],
            },
            "filter_tags.keep has no effect",
        ),
        ({"collect__downloader": "gallery-dl"}, "collect.downloader gallery-dl has no effect"),
    ],
)
def test_settings_doubtful_are_named(values: dict[str, Any], sentence: str) -> None:
    assert sentence in " ".join(doubtful(check(composed(**values))))


@pytest.mark.parametrize("model", [3, [], [""], ["a", 3], {"a": "b"}])
def test_a_tagger_is_a_name_or_a_list_of_names(model: object) -> None:
    with pytest.raises(UserError, match=r"tag\.model"):
        check(composed(tag__model=model))


def test_a_bare_off_is_a_word() -> None:
    assert check(composed(collect__checks__blur=False)).collect.checks["blur"] == "off"
    with pytest.raises(
        UserError, match=r"collect\.checks\.blur: True is not allowed; input should be 'error'"
    ):
        check(composed(collect__checks__blur=True))


def test_the_defaults_are_silent() -> None:
    assert doubtful(check(composed())) == []


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("ia3", {"dora": True}, "network.dora does not work with ia3"),
        ("dylora", {"dim": 18}, "network.dim 18 is not a multiple of network.unit 4"),
        ("dylora", {"block_dims": "linear"}, "network.block_dims does not work with dylora"),
        (
            "lora",
            {"include": ["("]},
            r"network.include.0: '\(' is not allowed; it is not a regular expression",
        ),
        (
            "lora",
            {"block_dims": [1, 2, 3]},
            "network.block_dims has 3 numbers, one for each block; Stable Diffusion 1.x has 25",
        ),
        ("lora", {"block_rates": "sinus"}, "network.block_rates: 'sinus' is not allowed"),
        ("lora", {"block_dims": {"IN12": 4}}, "network.block_dims: there is no block IN12"),
    ],
)
def test_settings_of_a_network_that_cannot_be(name: str, values: dict[str, Any], reason: str) -> None:
    given = {f"network.{key}": value for key, value in values.items()}
    with pytest.raises(UserError, match=reason):
        check(compose(Params({"network": name}, {"base.family": "sd1", **given})))


@pytest.mark.parametrize(
    ("name", "values", "sentence"),
    [
        ("lora", {"factor": 8}, "network.factor has no effect on lora; only on lokr"),
        ("loha", {"dropout": 0.1}, "network.dropout has no effect on loha"),
        ("ia3", {"lora_plus_ratio": 4.0}, "network.lora_plus_ratio has no effect on ia3"),
        ("lora", {"conv_alpha": 4.0}, "network.conv_alpha has no effect: network.conv_dim is null"),
        ("lokr", {"tucker": True}, "network.tucker has no effect: network.conv_dim is null"),
        ("embedding", {}, "optimizer.lr 0.0001 trains an embedding slowly; 0.005 is usual"),
    ],
)
def test_settings_of_a_network_without_effect(name: str, values: dict[str, Any], sentence: str) -> None:
    config = check(
        compose(Params({"network": name}, {f"network.{key}": value for key, value in values.items()}))
    )
    assert sentence in " ".join(doubtful(config))


@pytest.mark.parametrize("name", ["lora", "locon", "loha", "lokr", "ia3", "dylora"])
def test_every_networks_defaults_are_silent(name: str) -> None:
    assert doubtful(check(compose(Params({"network": name}, {})))) == []


def test_a_checkpoint_is_told_of_a_networks_rate_and_of_precisions_that_do_not_fit() -> None:
    values: dict[str, Any] = {
        "optimizer.lr": 1e-4,
        "optimizer.text_encoder_lr": 0.0,
        "network.unet": True,
    }
    config = check(compose(Params({"network": "checkpoint"}, values)))
    assert [text.split(";")[0] for text in doubtful(config)] == ["optimizer.lr 0.0001 is a rate for networks"]
    assert doubtful(check(compose(Params({"network": "checkpoint"}, {**values, "optimizer.lr": 1e-5})))) == []
    values |= {"network.unet": False, "network.text_encoder": True, "network.blocks": ["M00"]}
    told = " ".join(doubtful(check(compose(Params({"network": "checkpoint"}, values)))))
    assert "network.blocks has no effect: network.unet is false" in told
    with pytest.raises(UserError, match=r"weight_precision bf16 needs train.precision bf16, not fp32"):
        check(compose(Params({"network": "checkpoint"}, {"network.weight_precision": "bf16"})))
    with pytest.raises(UserError, match="both false"):
        check(compose(Params({"network": "checkpoint"}, {"network.unet": False})))


def test_samplers_are_understood_in_any_spelling_and_wrong_ones_get_the_nearest() -> None:
    assert check(composed(sample_grid__sampler="DPM++ 2M Karras")).sample_grid.sampler == "dpmpp_2m_karras"
    with pytest.raises(UserError, match=r"class_images.sampler: 'Eulr' is not allowed; .*did you mean Euler"):
        check(composed(class_images__sampler="Eulr"))
