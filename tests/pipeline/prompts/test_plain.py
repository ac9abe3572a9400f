import pytest

from pipeline.prompts.plain import plain_prompt


@pytest.mark.parametrize(
    ("prompt", "plain"),
    [
        ("zib, red hat", "zib, red hat"),
        ("zib <lora:ink:0.8>, (smile:1.2), [hat]", "zib , smile, hat"),
        (r"zib \(toy\), ((smile, hat))", "zib (toy), smile, hat"),
        ("zib BREAK meadow", "zib meadow"),
        ("(zib BREAK meadow:1.2)", "zib meadow"),
        ("[cat:dog:0.5], [a|b|c]", "dog, b"),
        ("[cat:dog:1.5]", "dog"),
        ("", ""),
    ],
)
def test_by_hand(prompt: str, plain: str) -> None:
    """Of 8 steps and 2 of a second pass: the 10th is told."""
    assert plain_prompt(prompt, 8, 2) == plain
