import pytest

from pipeline.texts.forms import is_prose


@pytest.mark.parametrize(
    "text",
    [
        "a woman in an orange suit, smiling",
        "A cat sits on a mat.",
        "myname, a photo of a man with a beard, outdoors",
        "The image shows a girl who is wearing a hat, standing on the beach",
        "une femme en costume orange, souriante",
        "a woman, smiling",
        "1girl, solo, a woman in an orange suit is standing on the beach",
        "\u4e00\u4e2a\u7a7f\u7740\u6a59\u8272\u897f\u88c5\u7684\u5973\u4eba\u5728\u6d77\u8fb9\u5fae\u7b11\u3002",
    ],
)
def test_sentences_are_prose(text: str) -> None:
    assert is_prose(text)


@pytest.mark.parametrize(
    "text",
    [
        "1girl, solo, smile",
        "orange_suit, looking_at_viewer, hand_on_own_hip",
        "1girl, looking at viewer, hands in pockets, standing on one leg",
        "1girl, the legend of zelda, princess zelda, pointy ears",
        "1girl, jojo no kimyou na bouken, solo, hat, smile, closed eyes",
        "1girl, !?, ...",
        "hatsune miku",
        "\u521d\u97f3\u30df\u30af, \u7b11\u9854",
        "",
        " , ",
    ],
)
def test_lists_of_tags_are_not(text: str) -> None:
    assert not is_prose(text)
