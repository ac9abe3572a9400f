"""The checks of one picture: what makes it unfit for training. Pure: measures and names in, faults out.
verdicts.py decides which faults stop the stage.
"""

from collections.abc import Iterator
from dataclasses import replace

from pipeline.files.names import fault_of
from pipeline.pictures.faces import Box
from pipeline.pictures.formats import SUFFIX_OF_FORMAT
from pipeline.pictures.found import SourcePicture
from pipeline.pictures.measures import PictureMeasures
from pipeline.pictures.text_finding import FoundText
from pipeline.pictures.verdicts import Fault
from pipeline.schemas import CollectConfig

SAME_SUFFIX = {
    ".jpeg": ".jpg", ".jfif": ".jpg", ".mpo": ".jpg", ".tiff": ".tif", ".heif": ".heic", ".hif": ".heic",
}  # fmt: skip

FEWEST_LETTERS = 3
"""Shorter texts are mostly numbers on things, and shapes that look like a letter."""
END_FRACTION = 1 / 8
"""Of the height, at the top and at the bottom, where marks and signatures are."""
MOST_TEXTS_NAMED, MOST_LETTERS_NAMED = 3, 40


def picture_faults(picture: SourcePicture, measures: PictureMeasures, config: CollectConfig) -> list[Fault]:
    """Every check of one picture, in a fixed order."""
    problems = [
        *_shape(measures, config),
        *_pixels(measures, config),
        *_damage(measures, config),
        *(_guessed_text(measures) if measures.texts is None else ()),
        *_faces(measures),
        *_file(picture, measures),
        *_caption(picture.caption),
    ]
    limits = _limits(measures, config)
    found = ((check, sentence, limits.get(check, (None, None))) for check, sentence in problems)
    faults = [
        Fault(check, picture.where, sentence, picture.id, measured=measured, limit=limit)
        for check, sentence, (measured, limit) in found
    ]
    faults = [replace(each, marks=(measures.content,)) if each.check == "border" else each for each in faults]
    return faults + list(_texts(picture, measures, config))


def _limits(measures: PictureMeasures, config: CollectConfig) -> dict[str, tuple[float, float]]:
    """What each check of a number measured, and its limit."""
    short, long = sorted((measures.width_px, measures.height_px))
    return {
        "too_small": (short, config.min_side_px),
        "extreme_aspect": (round(long / short, 2), config.max_aspect),
        "blur": (measures.sharpness, config.min_sharpness),
        "dark": (measures.brightness, config.min_brightness),
        "bright": (measures.brightness, config.max_brightness),
        "border": (measures.border_share, config.max_border_share),
        "jpeg_damage": (measures.blockiness or 0, config.max_blockiness),
        "upscaled": (measures.fine_detail or 0, config.min_fine_detail),
    }


def _shape(measures: PictureMeasures, config: CollectConfig) -> Iterator[tuple[str, str]]:
    width, height = measures.width_px, measures.height_px
    short, long = sorted((width, height))
    if short < config.min_side_px:
        yield (
            "too_small",
            f"{width}x{height} px, a side is under collect.min_side_px"
            f" {config.min_side_px}; replace it by a larger one",
        )
    if long > config.max_aspect * short:
        yield (
            "extreme_aspect",
            f"{width}x{height} px, longer than collect.max_aspect {config.max_aspect:g} to 1; crop it",
        )


def _pixels(measures: PictureMeasures, config: CollectConfig) -> Iterator[tuple[str, str]]:
    if measures.sharpness < config.min_sharpness:
        yield (
            "blur",
            f"sharpness {measures.sharpness:g}, under collect.min_sharpness {config.min_sharpness:g}",
        )
    if measures.brightness < config.min_brightness:
        yield (
            "dark",
            f"mean brightness {measures.brightness:.2f},"
            f" under collect.min_brightness {config.min_brightness:g}",
        )
    if measures.brightness > config.max_brightness:
        yield (
            "bright",
            f"mean brightness {measures.brightness:.2f},"
            f" over collect.max_brightness {config.max_brightness:g}",
        )
    if measures.border_share > config.max_border_share:
        yield (
            "border",
            f"bands of one colour along its sides take {measures.border_share:.0%} of it; cut them off:"
            f" `box: {list(content_px(measures))}` in data/crop_edits.yaml",
        )


def content_px(measures: PictureMeasures) -> Box:
    """The part inside the bands, in px."""
    sides = (measures.width_px, measures.height_px) * 2
    left, top, width, height = (
        round(share * side) for share, side in zip(measures.content, sides, strict=True)
    )
    return left, top, width, height


def _damage(measures: PictureMeasures, config: CollectConfig) -> Iterator[tuple[str, str]]:
    if measures.blockiness is not None and measures.blockiness > config.max_blockiness:
        yield (
            "jpeg_damage",
            f"the blocks of a JPEG show by {measures.blockiness:.1f} grey levels, over"
            f" collect.max_blockiness {config.max_blockiness:g}; look for the original",
        )
    is_small = min(measures.width_px, measures.height_px) / 2 < config.min_side_px
    if is_small and measures.fine_detail is not None and measures.fine_detail < config.min_fine_detail:
        yield (
            "upscaled",
            f"fine detail {measures.fine_detail:.2f}, under collect.min_fine_detail"
            f" {config.min_fine_detail:g}: enlarged from a smaller picture, or soft; look for the original",
        )


def _guessed_text(measures: PictureMeasures) -> Iterator[tuple[str, str]]:
    if measures.text_lines:
        yield "watermark", "something like a line of text at the top or the bottom; look, and cut it off"


def _texts(picture: SourcePicture, measures: PictureMeasures, config: CollectConfig) -> Iterator[Fault]:
    """What the text detector read, a fault for each of two places."""
    texts = [
        each
        for each in measures.texts or ()
        if each.score >= config.min_text_score and each.letters() >= FEWEST_LETTERS
    ]
    for check, found, place in (
        ("watermark", [each for each in texts if _is_at_an_end(each, measures)], "at the top or the bottom"),
        ("text", [each for each in texts if not _is_at_an_end(each, measures)], "in the picture"),
    ):
        if found:
            read = ", ".join(_quoted(each) for each in found[:MOST_TEXTS_NAMED])
            more = f" and {len(found) - MOST_TEXTS_NAMED} more" if len(found) > MOST_TEXTS_NAMED else ""
            sentence = f"text {place}: {read}{more}; cut it off, or paint over it"
            marks = tuple(_fractions(each.box, measures) for each in found)
            yield Fault(check, picture.where, sentence, picture.id, marks=marks)


def _is_at_an_end(text: FoundText, measures: PictureMeasures) -> bool:
    """Whether the text's middle is in the top or bottom eighth."""
    _, top, _, height = text.box
    middle = (top + height / 2) / measures.height_px
    return min(middle, 1 - middle) < END_FRACTION


def _quoted(text: FoundText) -> str:
    """The text, and its box in px."""
    shown = text.text if len(text.text) <= MOST_LETTERS_NAMED else f"{text.text[:MOST_LETTERS_NAMED]}..."
    left, top, width, height = text.box
    return f'"{shown}" ({width}x{height} px at {left},{top})'


def _fractions(box: Box, measures: PictureMeasures) -> tuple[float, ...]:
    """left, top, width, height of a box, as fractions of the picture's sides."""
    sides = (measures.width_px, measures.height_px) * 2
    return tuple(round(length / side, 4) for length, side in zip(box, sides, strict=True))


def _faces(measures: PictureMeasures) -> Iterator[tuple[str, str]]:
    if measures.faces == 0:
        yield "no_face", "no face was found"
    if measures.faces is not None and measures.faces > 1:
        yield "several_faces", f"{measures.faces} faces were found; one subject a picture is best"


def _file(picture: SourcePicture, measures: PictureMeasures) -> Iterator[tuple[str, str]]:
    suffix = picture.path.suffix.lower()
    if SUFFIX_OF_FORMAT[measures.format] != SAME_SUFFIX.get(suffix, suffix):
        yield "wrong_suffix", f"its content is {measures.format}; other programs go by the name, correct it"
    if measures.broken_profile:
        yield "broken_profile", "its colour profile cannot be read, sRGB is assumed; look at its colours"
    if fault := next(filter(None, map(fault_of, picture.id.split("/"))), None):
        yield "odd_name", f"a name that some systems or programs cannot hold: {fault}; rename it"


def _caption(caption: str | None) -> Iterator[tuple[str, str]]:
    if caption is None:
        yield "caption_missing", "no caption came along"
    elif not caption:
        yield "caption_empty", "its caption is empty; write one, or delete the file"
