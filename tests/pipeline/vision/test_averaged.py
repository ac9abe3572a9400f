from pathlib import Path

import pytest
from PIL import Image

from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.vision.averaged import AveragedTaggers
from tests.pipeline.captions.onnx_models import write_csv, write_means, write_tagger

ORANGE = Image.new("RGB", (8, 8), (255, 51, 0))


@pytest.mark.usefixtures("root")
def test_several_taggers_are_averaged_by_hand(tmp_path: Path) -> None:
    write_tagger(tmp_path / "one", "N")  # safe: B 0, greenish: G 0.2, someone: R 1
    write_csv(
        write_means(tmp_path / "two", [1, 8, 8, 3]), ["1,long_hair,0,1", "2,safe,9,1", "3,greenish,0,1"]
    )
    names = [str(tmp_path / "one"), str(tmp_path / "two")]
    taggers = AveragedTaggers(check(compose(Params({}, {"tag.model": names}))).tag)
    # two: long_hair B 0, safe G 0.2, greenish R 1
    expected = {"safe": 0.1, "greenish": 0.6, "someone": 1.0, "long hair": 0.0}
    assert taggers.tags([ORANGE, ORANGE]) == [expected, expected]
