import pytest

from pipeline.pictures.verdicts import Fault, Verdict, gravest, rule

BLUR, CUT = Fault("blur", "in/a.png", "soft", "zib/a"), Fault("truncated", "in/b.png", "cut", "zib/b")


@pytest.mark.parametrize(
    ("level", "verdict"), [("error", "error"), ("drop", "dropped"), ("warn", "warn"), ("off", None)]
)
def test_levels_decide(level: str, verdict: str | None) -> None:
    rulings = rule([BLUR], {"blur": level}, {})
    assert [ruling.verdict for ruling in rulings] == ([verdict] if verdict else [])


def test_a_waiver_goes_before_the_level_but_cannot_make_a_picture() -> None:
    waivers = {("zib/a", "blur"): "he runs", ("zib/b", "truncated"): "never mind"}
    blur, cut = rule([BLUR, CUT], {"blur": "error", "truncated": "error"}, waivers)
    assert (blur.verdict, blur.note) == ("waived", "blur: soft; waived: he runs")
    assert cut.verdict == "error"


def test_what_is_off_needs_no_waiver() -> None:
    assert rule([BLUR], {"blur": "off"}, {("zib/a", "blur"): "x"}) == []


@pytest.mark.parametrize(
    ("levels", "verdict"),
    [((), "ok"), (("warn", "drop"), "dropped"), (("drop", "error"), "error"), (("warn", "warn"), "warn")],
)
def test_the_gravest_counts(levels: tuple[str, ...], verdict: Verdict) -> None:
    assert gravest([ruling for level in levels for ruling in rule([BLUR], {"blur": level}, {})]) == verdict


def test_a_fault_names_the_file_and_how_to_waive_it() -> None:
    assert str(BLUR) == "in/a.png: soft [zib/a: blur]"
    assert str(CUT) == "in/b.png: cut [truncated]"
