from pipeline.captions.counts import most_seen, seen_mean, tags_by_threshold

ROWS = [
    {"scores": {"general": {"a": 0.9, "b": 0.5, "c": 0.1}, "rating": {"safe": 1.0}}},
    {"scores": {"general": {"a": 0.6, "b": 0.4}, "character": {"miku": 0.7}}},
]


def test_a_threshold_keeps_so_many_tags_a_picture() -> None:
    lines = {threshold: means for threshold, *means in tags_by_threshold(ROWS)}
    assert lines[0.05] == [2.5, 0.5]
    assert lines[0.4] == [2.0, 0.5]
    assert lines[0.5] == [1.5, 0.5]
    assert lines[0.7] == [0.5, 0.5]
    assert lines[0.95] == [0.0, 0.0]


def test_tags_are_counted_from_a_half_on_and_ratings_left_out() -> None:
    assert most_seen(ROWS) == [("a", "general", 2), ("b", "general", 1), ("miku", "character", 1)]
    assert seen_mean(ROWS) == 1.5


def test_no_pictures_are_no_fault() -> None:
    assert most_seen([]) == []
    assert seen_mean([]) == 0.0
    assert tags_by_threshold([])[0] == (0.05, 0.0, 0.0)
