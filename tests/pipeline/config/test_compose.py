from pathlib import Path

import pytest

from pipeline.config.check import check
from pipeline.config.compose import (
    PRESET_GROUPS,
    Params,
    compose,
    flatten,
    groups,
    options,
    read_params,
    with_overrides,
)
from pipeline.errors import UserError
from pipeline.schemas import Config

pytestmark = pytest.mark.usefixtures("root")


def test_values_of_params_replace_those_of_the_chosen_option() -> None:
    config = compose(Params({"crop": "centre"}, {"crop.resolution": 256}))
    assert config["crop"]["focus"] == "centre"
    assert config["crop"]["resolution"] == 256
    assert config["crop"]["face_weight"] == 0.9


@pytest.mark.parametrize(
    ("group", "option"), [(group, option) for group in groups() for option in options(group)]
)
def test_every_option_composes_and_passes_the_schemas(group: str, option: str) -> None:
    values = {"class_images.prompt": "dog"} if option == "prior" else {}
    check(compose(Params({group: option}, values)))


def test_a_mapping_of_the_users_own_names_is_one_value(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("filter_tags: {trigger: {my cat: zzz}, replace: {._.: [a, b], x.y: z}}\n")
    params = with_overrides(read_params(path), ["filter_tags.trigger={dog: ddd}"])
    config = check(compose(params)).filter_tags
    assert config.trigger == {"dog": "ddd"}
    assert config.replace == {"._.": ["a", "b"], "x.y": "z"}
    params = with_overrides(read_params(path), ["filter_tags.trigger=zib", "filter_tags.replace={}"])
    assert check(compose(params)).filter_tags.trigger == "zib"


def test_options_of_a_schema_share_its_keys() -> None:
    for group in set(groups()) - {*PRESET_GROUPS}:
        keys: dict[type, set[frozenset[str]]] = {}
        for option in options(group):
            values = compose(Params({group: option}, {}))
            schema = type(getattr(Config.model_validate(values), group))
            keys.setdefault(schema, set()).add(frozenset(values[group]))
        assert all(len(each) == 1 for each in keys.values()), group


def test_no_key_is_called_size_or_nfiles() -> None:
    """DVC leaves these names out of its run-cache key, at any depth (dvc issue 10296)."""
    for group in groups():
        for option in options(group):
            parts = {part for key in flatten(compose(Params({group: option}, {}))) for part in key.split(".")}
            assert not parts & {"size", "nfiles"}


def test_all_unknown_names_are_told_at_once_with_the_nearest() -> None:
    with pytest.raises(UserError) as error:
        compose(Params({}, {"network.dimm": 8, "optimiser.lr": 1e-4, "crop": 3}))
    assert len(error.value.problems) == 3
    assert "did you mean dim?" in error.value.problems[0]
    assert "did you mean optimizer?" in error.value.problems[1]
    assert "crop is a group" in error.value.problems[2]


def test_unknown_groups_and_options_are_told_with_the_nearest() -> None:
    with pytest.raises(UserError) as error:
        compose(Params({"netwrk": "lora", "schedule": "cosin"}, {}))
    assert "did you mean network?" in error.value.problems[0]
    assert "did you mean cosine?" in error.value.problems[1]


def test_overrides_follow_hydras_grammar() -> None:
    params = with_overrides(
        Params({"network": "lora"}, {"network.dim": 4}),
        [
            "network.dim=8",
            "schedule=linear",
            "use.crop=centre",
            "sample_grid.seeds=[1,2]",
            "optimizer.lr=1e-3",
        ],
    )
    assert params.use == {"network": "lora", "schedule": "linear", "crop": "centre"}
    assert params.values == {"network.dim": 8, "sample_grid.seeds": [1, 2], "optimizer.lr": 1e-3}


@pytest.mark.parametrize(
    ("text", "reason"), [("network.dim", "not an override"), ("network.dim=4,8", "several values")]
)
def test_misshapen_overrides_are_refused(text: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        with_overrides(Params({}, {}), [text])


def test_small_numbers_in_exponent_form_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("optimizer: {lr: 1e-4}\n")
    assert read_params(path).values == {"optimizer.lr": 1e-4}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [", "not readable YAML"),
        ("- 1", "must hold keys"),
        ("use: lora", "`use` must name"),
        ("seed: 1\nseed: 2", "YAML"),
    ],
)
def test_unreadable_params_are_a_sentence(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=reason):
        read_params(path)


def test_missing_params_are_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="missing"):
        read_params(tmp_path / "params.yaml")
