from pipeline.captions.counts import ScoreCounts


def counts() -> ScoreCounts:
    made = ScoreCounts()
    made.add({"general": {"a": 0.9, "b": 0.5, "c": 0.1}, "rating": {"safe": 1.0}})
    made.add({"general": {"a": 0.6, "b": 0.4}, "character": {"miku": 0.7}})
    return made


def test_a_threshold_keeps_so_many_tags_a_picture() -> None:
    lines = {threshold: means for threshold, *means in counts().tags_by_threshold()}
    assert lines[0.05] == [2.5, 0.5]
    assert lines[0.4] == [2.0, 0.5]
    assert lines[0.5] == [1.5, 0.5]
    assert lines[0.7] == [0.5, 0.5]
    assert lines[0.95] == [0.0, 0.0]


def test_tags_are_counted_from_a_half_on_and_ratings_left_out() -> None:
    assert counts().most_seen() == [("a", "general", 2), ("b", "general", 1), ("miku", "character", 1)]
    assert counts().seen_mean() == 1.5


def test_no_pictures_are_no_fault() -> None:
    assert ScoreCounts().most_seen() == []
    assert ScoreCounts().seen_mean() == 0.0
    assert ScoreCounts().tags_by_threshold()[0] == (0.05, 0.0, 0.0)
