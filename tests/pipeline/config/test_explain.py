import pytest

from pipeline.config.compose import CONF, Params, groups, options
from pipeline.config.explain import comments_of, differences, explain, keys_of
from pipeline.errors import UserError
from pipeline.schemas import ScheduleConfig

pytestmark = pytest.mark.usefixtures("root")


def test_a_default_names_its_conf_file() -> None:
    (found,) = explain("optimizer.weight_decay")
    assert (found.value, found.origin, found.default) == (0.01, "conf/optimizer/adamw.yaml", None)
    assert "Decoupled weight decay" in found.comment


def test_params_yaml_and_the_command_line_are_told_apart() -> None:
    (filed,) = explain("network.dim")
    assert filed.origin == "params.yaml"
    assert filed.default == "32 in conf/network/lora.yaml"
    (typed,) = explain("network.dim", ["network.dim=2"])
    assert (typed.value, typed.origin) == (2, "the command line")


def test_a_group_explains_all_its_keys() -> None:
    keys = [item.key for item in explain("schedule")]
    assert keys[:2] == ["schedule.name", "schedule.warmup_percent"]
    assert keys == [f"schedule.{name}" for name in ScheduleConfig.model_fields]


def test_an_option_that_builds_on_another_is_followed() -> None:
    explained = {item.key: item for item in explain("crop", ["crop=centre"])}
    assert explained["crop.focus"].origin == "conf/crop/centre.yaml"
    assert explained["crop.face_weight"].origin == "conf/crop/focal.yaml"


def test_a_mapping_is_explained_as_one_value() -> None:
    (found,) = explain("filter_tags.replace", ["filter_tags.replace={a: b}"])
    assert (found.value, found.origin) == ({"a": "b"}, "the command line")


def test_the_keys_of_a_mapping_are_explained() -> None:
    (found,) = explain("collect.checks.blur", ["collect.checks.blur=error"])
    assert (found.value, found.default) == ("error", "'warn' in conf/collect/pictures.yaml")
    assert found.comment.startswith("Sharp nowhere")


def test_an_unknown_key_gets_the_nearest() -> None:
    with pytest.raises(UserError, match=r"did you mean .*network\.dim"):
        explain("network.dimm")


@pytest.mark.parametrize(
    ("group", "option"), [(group, option) for group in groups() for option in options(group)]
)
def test_every_key_of_conf_is_explained(group: str, option: str) -> None:
    path = CONF / group / f"{option}.yaml"
    assert not keys_of(path).keys() - comments_of(path).keys()


def test_what_differs_from_the_defaults() -> None:
    values = {"network.dim": 8, "train.epochs": 10, "seed": 3}
    found = differences(Params({"network": "loha", "crop": "focal"}, values))
    assert [(row["group"], row["option"], row["default"]) for row in found["use"]] == [
        ("network", "loha", "lora")
    ]
    assert found["use"][0]["comment"].startswith("LoHa: the product")
    told = {row["key"]: (row["value"], row["default"]) for row in found["values"]}
    assert told == {"seed": (3, 0)}, "loha's dim is 8, train's epochs are 10"
    assert found["params"] == {"use": {"crop": "focal", "network": "loha"}, "values": values}
