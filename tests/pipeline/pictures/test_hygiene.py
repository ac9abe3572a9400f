import pytest

from pipeline.config.schemas import Collect
from pipeline.pictures.hygiene import duplicate_faults, picture_faults

CONFIG = Collect(source="x", repeats=1, min_side_px=512, max_aspect=3.0)


@pytest.mark.parametrize(
    ("width", "height", "words"),
    [
        (512, 512, []),
        (512, 1536, []),
        (511, 900, ["under collect.min_side_px 512"]),
        (512, 1537, ["longer than collect.max_aspect 3 to 1"]),
        (100, 400, ["under", "longer"]),
    ],
)
def test_sizes_and_shapes(width: int, height: int, words: list[str]) -> None:
    faults = picture_faults(width, height, CONFIG)
    assert len(faults) == len(words)
    assert all(word in fault for word, fault in zip(words, faults, strict=True))


def test_equal_bytes_are_named_together() -> None:
    (fault,) = duplicate_faults({"a/2": "x", "a/1": "x", "a/3": "y"})
    assert fault.startswith("a/1 and a/2 are the same file")
