from random import Random
from time import perf_counter

from pipeline.captions.wildcards import drawn, has_wildcards, longest


def test_one_of_the_words_is_drawn_and_doubled_brackets_are_brackets() -> None:
    random = Random(0)
    made = {drawn("a {red|blue} hat, {{x}}", random.choice) for _ in range(20)}
    assert made == {"a red hat, {x}", "a blue hat, {x}"}
    assert drawn("{a{b|c} d}", lambda words: words[1]) == "c d}"  # up to the first `}`, as sd-scripts
    assert longest("{red|green}, {a|}") == "green, a"
    assert has_wildcards("a {b|c}")
    assert not any(map(has_wildcards, ["a {b} c", "{", "a|b", "{{a|b"]))


def test_a_long_row_of_brackets_takes_no_time() -> None:
    start = perf_counter()
    for text in ("{" * 20_000, "{}" * 10_000, "{" * 10_000 + "}"):
        drawn(text, lambda words: words[0])
    assert perf_counter() - start < 1
