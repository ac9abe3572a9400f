from collections.abc import Sequence
from dataclasses import replace

from pipeline.pictures.found import PictureScan, SourcePicture
from pipeline.pictures.gate import FileContent, Outcome, counts, validate, warnings_of
from pipeline.pictures.measures import PictureMeasures
from pipeline.pictures.verdicts import Fault, Rulings
from pipeline.schemas import CollectConfig
from tests.pipeline.pictures.settings import settings
from tests.pipeline.pictures.test_hygiene import GOOD, found


def judge(
    pictures: Sequence[SourcePicture],
    measured: Sequence[PictureMeasures | Fault],
    faults: Sequence[Fault],
    config: CollectConfig,
    waived: dict[tuple[str | None, str], str],
) -> Outcome:
    """Pictures are given by id."""
    on_disk = PictureScan()
    for item in pictures:
        on_disk.add(item)
    rulings = Rulings(config.checks, lambda picture_id, check: waived.get((picture_id, check)))
    return validate(on_disk, map(FileContent, measured), faults, config, rulings)


def notes(outcome: Outcome) -> dict[str, list[str]]:
    return {found.where: record.notes for found, record in outcome.passed()}


def test_what_is_dropped_is_no_first_of_duplicates() -> None:
    pictures = [found("1.png"), found("2.png")]
    soft = replace(GOOD, sharpness=1)
    outcome = judge(
        pictures, [replace(soft, sha256="1" * 64), GOOD], [], settings(checks={"blur": "drop"}), {}
    )
    ((item, record),) = outcome.passed()
    assert (item.id, record.group, record.verdict) == ("zib/2", "zib/2", "ok")
    assert [ruling.fault.check for ruling in outcome.dropped] == ["blur"]


def test_each_drop_leaves_the_others_their_chance() -> None:
    # a.jpg is cut short, so a.png has its name alone; b.png loses its own, so its copy c.png stays.
    pictures = [found("a.jpg"), found("a.png"), found("b.jpg"), found("b.png"), found("c.png")]
    measured: list[PictureMeasures | Fault] = [
        Fault("truncated", "in/a.jpg", "cut short", "zib/a"),
        GOOD,
        replace(GOOD, format="JPEG", sha256="1" * 64, perceptual_hash=(1 << 20) - 1),
        replace(GOOD, sha256="2" * 64, perceptual_hash=(1 << 40) - 1),
        replace(GOOD, sha256="2" * 64, perceptual_hash=(1 << 40) - 1),
    ]
    drops = dict.fromkeys(("truncated", "same_stem", "duplicate", "near_duplicate"), "drop")
    outcome = judge(pictures, measured, [], settings(checks=drops), {})
    assert [record.file for _, record in outcome.passed()] == ["zib/a.png", "zib/b.jpg", "zib/c.png"]


def test_one_of_near_duplicates_stays() -> None:
    pictures = [found(f"{number}.png") for number in range(3)]
    measured = [replace(GOOD, sha256=str(number) * 64) for number in range(3)]
    outcome = judge(pictures, measured, [], settings(checks={"near_duplicate": "drop"}), {})
    assert [record.id for _, record in outcome.passed()] == ["zib/0"]


def test_all_errors_of_one_picture_and_of_all_are_told() -> None:
    pictures = [found("1.png"), found("2.png")]
    bad = replace(GOOD, width_px=100, height_px=400)
    cut = Fault("truncated", "in/2.png", "cut short", "zib/2")
    dead = Fault("download", "http://x/a", "gone")
    errors = judge(pictures, [bad, cut], [dead], settings(), {}).errors
    assert [error.rpartition("[")[2] for error in errors] == [
        "download]", "zib/1: extreme_aspect]", "zib/1: too_small]", "truncated]",
    ]  # fmt: skip


def test_an_error_in_one_of_two_files_of_a_name_leaves_the_other_alone() -> None:
    pictures = [found("a.jpg"), found("a.png")]
    outcome = judge(
        pictures,
        [replace(GOOD, format="JPEG", sha256="1" * 64, perceptual_hash=2**64 - 1), replace(GOOD, width_px=1)],
        [],
        settings(checks={"too_small": "drop", "extreme_aspect": "drop"}),
        {},
    )
    assert [record.file for _, record in outcome.passed()] == ["zib/a.jpg"]


def test_warnings_and_counts() -> None:
    pictures = [found(f"{number}.png") for number in range(7)]
    measured = [
        replace(GOOD, sha256=str(n) * 64, perceptual_hash=((1 << 9) - 1) << (9 * n), text_lines=int(n > 0))
        for n in range(7)
    ]
    outcome = judge(pictures, measured, [], settings(), {("zib/6", "watermark"): "signed by me"})
    (line,) = warnings_of(outcome.rulings)
    assert line.startswith("watermark: 5 pictures (zib/1, zib/2, zib/3, zib/4, zib/5); something like")
    assert counts(outcome) == {
        "verdicts": {"ok": 1, "warn": 5, "waived": 1, "dropped": 0},
        "checks": {"watermark": 6},
    }


def test_names_that_differ_in_suffix_or_case_are_one() -> None:
    pictures = [found("A.jpg"), found("a.jpg"), found("a.png"), found("b.png")]
    measured = [
        replace(GOOD, sha256=str(n) * 64, perceptual_hash=((1 << 9) - 1) << (9 * n)) for n in range(4)
    ]
    outcome = judge(pictures, measured, [], settings(), {})
    first, second = [ruling.fault for ruling in outcome.rulings if ruling.fault.check == "same_stem"]
    assert [first.where, second.where] == ["in/a.jpg", "in/a.png"]
    assert first.sentence.startswith("shares its name with zib/A.jpg, so one caption would serve both")


def test_copies_point_to_the_first_and_are_no_near_duplicates_too() -> None:
    pictures = [found(f"{number}.png") for number in range(1, 5)]
    measured = [
        GOOD,
        GOOD,
        replace(GOOD, sha256="1" * 64, perceptual_hash=0b111),
        replace(GOOD, sha256="2" * 64, perceptual_hash=0b11111000),
    ]
    outcome = judge(pictures, measured, [], settings(checks={"duplicate": "warn"}), {})
    assert notes(outcome) == {
        "in/1.png": [],
        "in/2.png": ["duplicate: the same file as zib/1.png; delete one of them"],
        "in/3.png": ["near_duplicate: looks like zib/1.png (3 of 64 bits differ); keep the better one"],
        "in/4.png": [],
    }
    assert [record.group for _, record in outcome.passed()] == ["zib/1", "zib/1", "zib/1", "zib/4"]
    assert outcome.num_groups == 2


def test_a_file_name_with_braces_is_told_as_it_is() -> None:
    pictures = [found("{0}.png"), found("{x}.png")]
    outcome = judge(pictures, [GOOD, GOOD], [], settings(checks={"duplicate": "warn"}), {})
    assert notes(outcome)["in/{x}.png"] == ["duplicate: the same file as zib/{0}.png; delete one of them"]
