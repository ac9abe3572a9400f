from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import UserError
from pipeline.pictures import defects, text_finding, text_library
from pipeline.pictures.hygiene import picture_faults
from pipeline.pictures.measures import PictureMeasures
from pipeline.pictures.text_finding import FoundText, find_texts, texts_in
from pipeline.pictures.verdicts import Fault
from pipeline.store.items import Items
from tests.pipeline.pictures.settings import settings
from tests.pipeline.pictures.stamps import UNSTAMPED, photograph, stamped, stamped_photographs
from tests.pipeline.pictures.test_hygiene import GOOD, found

has_library = pytest.mark.skipif(
    find_spec(text_library.TEXT_LIBRARY) is None,
    reason='rapidocr is not installed: pip install "athanor[ocr]"',
)


def measured(picture: Image.Image, texts: tuple[FoundText, ...] | None) -> PictureMeasures:
    changes = {name: getattr(GOOD, name) for name in GOOD.__slots__}
    return PictureMeasures(
        **{**changes, "width_px": picture.width, "height_px": picture.height, "texts": texts}
    )


def faults_of(picture: Image.Image) -> list[Fault]:
    """With every check of text on."""
    texts = find_texts(picture, picture.width)
    config = settings(text_detector="ocr", checks={"text": "warn"}, min_side_px=1)
    return picture_faults(found(), measured(picture, texts), config)


def marks_of(picture: Image.Image) -> list[str]:
    """Sentences of the fault `watermark`."""
    return [fault.sentence for fault in faults_of(picture) if fault.check == "watermark"]


@has_library
def test_52_of_55_stamps_are_read_and_no_photograph_is_taken_for_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    read = {name: bool(marks_of(picture)) for name, picture in stamped_photographs()}
    wrong = [name for name in UNSTAMPED if marks_of(photograph(name))]
    guessed = [bool(defects.text_lines(defects.gray_copy(picture))) for _, picture in stamped_photographs()]
    wrongly = [name for name in UNSTAMPED if defects.text_lines(defects.gray_copy(photograph(name)))]
    with capsys.disabled():
        print(f"\nstamps found of 55: ocr {sum(read.values())}, wrong {wrong or 'none'};", end=" ")
        print(f"guess {sum(guessed)}, wrong {', '.join(wrongly)}")
    assert len(read) == 55
    assert sum(read.values()) >= 52, [name for name, is_read in read.items() if not is_read]
    assert wrong == []


@has_library
def test_the_demos_pictures_have_no_text() -> None:
    pictures = sorted(Path("demo/pictures").rglob("*.png"))
    assert pictures
    for path in pictures:
        with Image.open(path) as picture:
            assert faults_of(picture.convert("RGB")) == [], path


@has_library
def test_text_and_place_are_of_the_whole_picture_at_any_size() -> None:
    picture = stamped(photograph("chelsea").resize((770, 512)), "date")
    large = picture.resize((2310, 1536), Image.Resampling.LANCZOS)
    (small_text,), (large_text,) = find_texts(picture, 770), find_texts(large, 2310)
    assert small_text.text == large_text.text == "12/08/2019 17:45"
    # The networks look at copies of 736 and 512 px, so a box may be off by some pixels of these.
    assert np.allclose(np.divide(large_text.box, 3), small_text.box, atol=6)
    (fault,) = faults_of(picture)
    left, top, width, height = small_text.box
    assert fault.sentence.startswith(
        f'text at the top or the bottom: "12/08/2019 17:45" ({width}x{height} px at {left},{top})'
    )
    assert fault.marks == (
        (*(round(n / d, 4) for n, d in zip(small_text.box, (770, 512) * 2, strict=True)),),
    )


@has_library
def test_texts_are_kept_by_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stamped(photograph("flower"), "date").save(tmp_path / "a.png")
    first = texts_in(tmp_path / "a.png", "0" * 64, Items("texts"))
    assert [each.letters() for each in first] == [12]
    monkeypatch.setattr(text_finding, "read", lambda *_: pytest.fail("read again"))
    assert texts_in(tmp_path / "b.png", "0" * 64, Items("texts")) == first


def test_a_text_counts_by_its_place_score_and_letters() -> None:
    texts = (
        FoundText("signed", 0.9, (300, 460, 60, 20)),  # middle at 470 of 512: the last eighth begins at 448
        FoundText("YAMAHA", 0.9, (100, 240, 60, 20)),
        FoundText("smudge", 0.5, (10, 5, 60, 20)),
        FoundText("***7", 0.9, (10, 5, 60, 20)),
    )
    checks = {
        fault.check: fault.sentence
        for fault in picture_faults(found(), measured(Image.new("RGB", (600, 512)), texts), settings())
    }
    assert checks == {
        "watermark": 'text at the top or the bottom: "signed" (60x20 px at 300,460);'
        " cut it off, or paint over it",
        "text": 'text in the picture: "YAMAHA" (60x20 px at 100,240); cut it off, or paint over it',
    }


def test_what_reads_text_silences_the_guess() -> None:
    guessed = {name: getattr(GOOD, name) for name in GOOD.__slots__} | {"text_lines": 3}
    assert picture_faults(found(), PictureMeasures(**guessed), settings())
    assert picture_faults(found(), PictureMeasures(**{**guessed, "texts": ()}), settings()) == []


def test_without_the_library_the_sentence_says_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_library, "find_spec", lambda _: None)
    text_finding._library_version.cache_clear()
    with pytest.raises(UserError, match=r"rapidocr is not installed; type `pip install \"athanor\[ocr\]\"`"):
        texts_in(tmp_path / "a.png", "0" * 64, Items("texts"))
