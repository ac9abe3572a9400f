import pytest

from pipeline.code.meaning import meaning

CODE = '''\
"""Module."""

RATIO = 2  # twice
"""How much."""


def scaled(x: float, names: list[str]) -> float:
    """Scales."""
    if x < 0:
        raise UserError(f"{x}: negative", "write a positive number")
    warn("large")
    print("scaled", file=sys.stderr)
    return x * RATIO if names else float(f"{x:.{RATIO}f}")
'''


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"""Module."""\n', ""),
        ('"""Module."""', '"""Another\n\nmodule."""'),
        ("  # twice", "  # three times"),
        ('"""How much."""\n', ""),
        ("\n\n\ndef", "\n\n\n\n# Why.\n\ndef"),
        ('    """Scales."""\n', ""),
        ('f"{x}: negative"', '"negative"'),
        ('f"{x}: negative", "write a', 'f"{x!r}: négative" " — no", "type a'),
        ('UserError(f"{x}: negative", "write', 'UserError(\n        f"{x}: below"\n        " 0",\n "write'),
        ('a positive number")', 'a positive number",\n        )'),
        ('warn("large")', "warn('large, so it is slow')"),
        ('print("scaled", ', 'print(f"scaled by {RATIO}", '),
        ("x * RATIO if names", "(x * RATIO\n            # here\n        ) if names"),
    ],
)
def test_words_for_people_and_layout_do_not_count(before: str, after: str) -> None:
    changed = CODE.replace(before, after)
    assert changed != CODE
    bare = meaning(changed).replace("( x * RATIO )", "x * RATIO")
    assert bare == meaning(CODE)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("RATIO = 2", "RATIO = 3"),
        ("x * RATIO", "x + RATIO"),
        ("x < 0", "x <= 0"),
        (":.{RATIO}f", ":.{RATIO}e"),
        ('    warn("large")', '        warn("large")'),
        ('    warn("large")\n', ""),
        ("file=sys.stderr", "file=sys.stdout"),
        ("UserError(", "ValueError("),
        ("names: list[str]", "names: set[str]"),
    ],
)
def test_code_counts(before: str, after: str) -> None:
    changed = CODE.replace(before, after)
    assert changed != CODE
    assert meaning(changed) != meaning(CODE)


def test_texts_that_are_no_messages_count() -> None:
    assert meaning('NAME = "a"\n') != meaning('NAME = "b"\n')
    assert meaning('f(UserError, "a")\n') != meaning('f(UserError, "b")\n')


def test_columns_are_those_of_characters_not_of_bytes() -> None:
    assert meaning('x = "é"; warn("é"); y = f"é{x}"\n') == 'x = "é" ; warn ( ) ; y = f"é{x}" \n'
