"""Where dots and lines of the intervals' charts are, by hand."""

from typing import Any

from pipeline.reports.run.interval_chart import interval_charts

SUBJECT: dict[str, Any] = {
    "name": "subject", "title": "subject", "meaning": "share", "is_share": True, "is_lower_better": False,
}  # fmt: skip
LIKENESS = {**SUBJECT, "name": "identity", "title": "likeness", "meaning": "similarity", "is_share": False}


def row(epoch: int, is_equal: bool, **measures: tuple[float, float | None, float | None]) -> dict[str, Any]:
    found = {name: {"mean": mean, "low": low, "high": high} for name, (mean, low, high) in measures.items()}
    return {"epoch": epoch, "weight": 1.0, "equal": is_equal, "measures": found}


def test_the_base_comes_first_and_shares_fill_the_width() -> None:
    base = {"subject": {"mean": 0.0, "low": 0.0, "high": 0.5}}
    rows = [row(10, True, subject=(0.5, 0.25, 1.0)), row(15, True, subject=(1.0, 1.0, 1.0)), row(5, False)]
    [chart] = interval_charts({"measures": [SUBJECT, LIKENESS], "base": base}, rows)
    assert [each.label for each in chart.whiskers] == ["base alone", "epoch 10 at 1", "epoch 15 at 1"]
    assert [each.kind for each in chart.whiskers] == ["base", "proposed", "equal"]
    left, right = chart.whiskers[0].low, chart.whiskers[2].mean
    assert chart.whiskers[1].mean == (left + right) / 2
    assert chart.whiskers[1].low == left + (right - left) / 4
    assert chart.whiskers[1].text == "50%"
    assert chart.height == 2 * 6 + 3 * 22


def test_other_measures_fill_the_width_from_the_least_to_the_most() -> None:
    rows = [row(10, True, identity=(0.6, 0.5, 0.7)), row(15, False, identity=(0.8, None, None))]
    [chart] = interval_charts({"measures": [LIKENESS], "base": {}}, rows)
    first, second = chart.whiskers
    assert (first.text, second.text) == ("0.60", "0.80")
    assert second.low == second.mean == second.high > first.high > first.mean > first.low


def test_a_measure_whose_least_is_best_says_so() -> None:
    drift = {**LIKENESS, "name": "drift", "meaning": "distance", "is_lower_better": True}
    rows = [row(10, True, drift=(0.6, 0.5, 0.7), identity=(0.6, 0.5, 0.7))]
    charts = interval_charts({"measures": [LIKENESS, drift], "base": {}}, rows)
    assert [chart.meaning for chart in charts] == ["similarity", "distance; lower is better"]
