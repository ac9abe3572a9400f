import pytest

from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.config.rules import doubtful
from pipeline.errors import UserError

pytestmark = pytest.mark.usefixtures("root")


@pytest.mark.parametrize("trigger", ["zib, girl", "zib\uff0cgirl", {"zib": "a;b, c"}, "zib,", "a\nb"])
def test_a_trigger_that_shuffling_would_take_apart_is_refused(trigger: object) -> None:
    with pytest.raises(UserError, match=r"filter_tags.trigger .* contains the tag separator"):
        check(compose(Params({}, {"filter_tags.trigger": trigger})))


def test_a_trigger_of_several_words_is_fine() -> None:
    semicolons = {"filter_tags.trigger": "zib, the cat", "train.caption_separator": ";"}
    assert check(compose(Params({}, semicolons))).filter_tags.trigger == "zib, the cat"
    assert check(compose(Params({}, {"filter_tags.trigger": "zib style"}))).filter_tags.trigger


def test_weights_and_escapes_go_together() -> None:
    def told(**values: bool) -> list[str]:
        names = {"escape": "filter_tags.escape", "weighted": "train.weighted_captions"}
        found = doubtful(check(compose(Params({}, {names[key]: value for key, value in values.items()}))))
        return [sentence for sentence in found if "escape" in sentence]

    assert "filter_tags.escape is false; set it to true" in told(weighted=True)[0]
    assert "with train.weighted_captions" in told(escape=True)[0]
    assert told(weighted=True, escape=True) == []
