import pytest

from pipeline.pictures.verdicts import Fault, PictureVerdict, Ruling, Rulings, most_severe

BLUR, CUT = Fault("blur", "in/a.png", "soft", "zib/a"), Fault("truncated", "in/b.png", "cut", "zib/b")

SOFT = Fault("blur", "in/b.png", "soft", "zib/b")


def rule(
    faults: list[Fault], levels: dict[str, str], waivers: dict[tuple[str | None, str], str]
) -> list[Ruling]:
    rulings = Rulings(levels, lambda picture_id, check: waivers.get((picture_id, check)))
    for fault in faults:
        rulings.add(fault)
    return list(rulings)


@pytest.mark.parametrize(
    ("level", "verdict"), [("error", "error"), ("drop", "dropped"), ("warn", "warn"), ("off", None)]
)
def test_levels_decide(level: str, verdict: str | None) -> None:
    rulings = rule([BLUR], {"blur": level}, {})
    assert [ruling.verdict for ruling in rulings] == ([verdict] if verdict else [])


def test_a_waiver_goes_before_the_level_but_cannot_make_a_picture() -> None:
    waivers: dict[tuple[str | None, str], str] = {
        ("zib/a", "blur"): "he runs",
        ("zib/b", "truncated"): "never mind",
    }
    blur, cut = rule([BLUR, CUT], {"blur": "error", "truncated": "error"}, waivers)
    assert (blur.verdict, blur.note) == ("waived", "blur: soft; waived: he runs")
    assert cut.verdict == "error"


def test_what_is_off_needs_no_waiver() -> None:
    assert rule([BLUR], {"blur": "off"}, {("zib/a", "blur"): "x"}) == []


@pytest.mark.parametrize(
    ("levels", "verdict"),
    [((), "ok"), (("warn", "drop"), "dropped"), (("drop", "error"), "error"), (("warn", "warn"), "warn")],
)
def test_the_gravest_counts(levels: tuple[str, ...], verdict: PictureVerdict) -> None:
    assert (
        most_severe([ruling for level in levels for ruling in rule([BLUR], {"blur": level}, {})]) == verdict
    )


def test_rulings_are_sorted_and_of_two_pictures_of_one_name_each_has_its_own() -> None:
    rulings = Rulings({"blur": "warn", "dark": "drop"}, lambda *_: None)
    dark = Fault("dark", "in/a.png", "dark", "zib/a")
    assert [rulings.add(SOFT, 2), rulings.add(dark, 0), rulings.add(BLUR, 1)] == ["warn", "dropped", "warn"]
    assert [ruling.fault for ruling in rulings] == [BLUR, dark, SOFT]
    assert [ruling.fault for ruling in rulings.of("in/a.png", 1)] == [BLUR]


def test_a_fault_names_the_file_and_how_to_waive_it() -> None:
    assert str(BLUR) == "in/a.png: soft [zib/a: blur]"
    assert str(CUT) == "in/b.png: cut [truncated]"
