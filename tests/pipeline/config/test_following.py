import pytest

from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.errors import UserError

pytestmark = pytest.mark.usefixtures("root")


def test_separators_of_the_captions_follow_those_of_training() -> None:
    values = compose(Params({}, {"train.caption_separator": ";", "train.keep_tokens_separator": "|||"}))
    assert values["filter_tags"]["caption_separator"] == values["collect"]["caption_separator"] == ";"
    assert values["filter_tags"]["keep_tokens_separator"] == "|||"
    assert values["filter_tags"]["secondary_separator"] is None
    assert compose(Params({}, {}))["filter_tags"]["caption_separator"] == ","


def test_a_key_that_is_set_follows_nothing_and_may_not_differ() -> None:
    values = compose(Params({}, {"filter_tags.caption_separator": ";"}))
    assert values["filter_tags"]["caption_separator"] == ";"
    with pytest.raises(UserError, match=r"filter_tags.caption_separator is ';', but train.caption_sep"):
        check(values)
