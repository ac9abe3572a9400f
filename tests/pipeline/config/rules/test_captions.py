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


JOY = {"tag.captioner": "some/model"}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({**JOY, "tag.captioner_kinds": {"sentence": "decribe"}}, r"is 'decribe', but .*describe"),
        ({**JOY, "tag.captioner_kinds": {}}, r"tag\.captioner_kinds is empty"),
        (
            {**JOY, "tag.captioner_kinds": {"tags": "tags"}},
            r"the kind tags is always the caption made of tags",
        ),
        ({**JOY, "train.caption_kinds": {"sentense": 1}}, r"caption_kinds\.sentense: no caption .*sentence"),
        ({"train.caption_kinds": {"sentence": 1}}, r"caption_kinds\.sentence: no caption is of this kind"),
        ({"filter_tags.sentence_kind": "sentence"}, r"sentence_kind sentence: tag\.captioner writes nothing"),
        ({**JOY, "filter_tags.sentence_kind": "odd"}, r"sentence_kind odd: tag\.captioner writes sentence;"),
        ({**JOY, "train.caption_kinds": {"sentence": 0}}, r"caption_kinds\.sentence"),
        ({**JOY, "tag.captioner_kinds": {"A b": "short"}}, r"captioner_kinds"),
    ],
)
def test_kinds_that_nobody_writes_or_asks_for_are_refused(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        check(compose(Params({}, changes)))


def test_a_captioner_whose_texts_nothing_shows_is_doubtful() -> None:
    def told(**values: object) -> list[str]:
        changes = JOY | {key.replace("__", "."): value for key, value in values.items()}
        found = doubtful(check(compose(Params({}, changes))))
        return [sentence for sentence in found if "tag.captioner" in sentence]

    assert "writes sentence, which training does not show" in told()[0]
    assert told(train__caption_kinds={"tags": 1}) == told()
    assert told(train__caption_kinds={"tags": 3, "sentence": 1}) == []
    assert told(filter_tags__sentence_kind="sentence") == []


@pytest.mark.parametrize("option", ["florence2", "qwen_vl", "joycaption"])
def test_options_with_captioners_write_what_training_can_draw(option: str) -> None:
    changes = {"train.caption_kinds": {"tags": 3, "sentence": 1, "short": 1}, "filter_tags.trigger": "zib"}
    config = check(compose(Params({"tag": option}, changes)))
    assert config.tag.prompts().keys() == {"sentence", "short"}
    assert config.tag.captioner_trigger == (None if option == "florence2" else "zib")


@pytest.mark.parametrize("option", ["wd_eva02", "camie_v2", "pixai", "joytag"])
def test_options_with_other_taggers_keep_the_captioner_off(option: str) -> None:
    tag = check(compose(Params({"tag": option}, {}))).tag
    assert (tag.captioner, tag.sentence_model) == (None, None)
    # Kept scores are found by these keys: a captioner's are not among them.
    assert tag.of_taggers().keys() == {
        "model", "sha256", "min_score", "batch", "sentence_model", "sentence_sha256", "sentence_prompt",
        "num_beams", "min_length", "max_length",
    }  # fmt: skip
