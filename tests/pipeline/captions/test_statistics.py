from pipeline.captions.finished import Caption
from pipeline.captions.statistics import Statistics
from pipeline.captions.tags import Dropped

HAIR = Dropped("long hair", "identity hair * hair", 0.9)
CAPTIONS = {
    "a": Caption("zib, smile", "zib", ("zib", "smile"), (HAIR, Dropped("x", "blacklist x", 0.4)), ()),
    "b": Caption("zib, hat, smile", "zib", ("zib", "hat", "smile"), (HAIR,), ()),
    "c": Caption("hat", None, ("hat",), (), ()),
    "d": Caption("", None, (), (Dropped("y", "caption came along", 0.4),), ()),
}


def counted() -> Statistics:
    statistics = Statistics(["zib", "unused"])
    for caption in CAPTIONS.values():
        statistics.add(caption)
    return statistics


def test_the_summary_counts_captions_tags_and_tokens() -> None:
    assert counted().summary() == {
        "captions": 4,
        "empty": 1,
        "different_tags": 3,
        "tags_mean": 1.5,
        "tokens_mean": 2.75,  # zi b , smile: 4; zi b , hat , smile: 6; hat: 1; none: 0
        "tokens_max": 6,
        "dropped_by": {"identity": 2, "blacklist": 1, "caption": 1},
    }
    assert Statistics().summary()["tags_mean"] == 0.0


def test_the_commonest_tags_come_first_and_ties_by_the_alphabet() -> None:
    assert counted().kept_counts() == [("hat", 2), ("smile", 2), ("zib", 2)]
    assert counted().dropped_counts() == [("long hair", 2), ("x", 1), ("y", 1)]


def test_what_stands_beside_the_trigger_is_counted_among_its_pictures() -> None:
    assert counted().with_trigger() == [("zib", "smile", 2, 1.0), ("zib", "hat", 1, 0.5)]
