"""Names of figures before a sweep."""

import pytest

from pipeline.sweep.metrics import parsed_objectives, unseen_figures

FIGURES = {"train.loss_last_epoch": 0.1, "sample_grid.best.joint": 0.8, "sample_grid.best.clip": 30.0}


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("sample_grid.best.joint,-train.loss_last_epoch", []),
        ("sample_grid.best.jiont", ["sample_grid.best.jiont: .*did you mean sample_grid.best.joint"]),
        ("nonsense", ["nonsense: the last run here has no such figure; a name"]),
        ("train.validation_loss", []),  # the last run held nothing out; the sweep may
        ("merge.size_mib", []),  # the last run did not merge
    ],
)
def test_a_figure_that_the_last_run_lacks_is_named_before_the_sweep(metric: str, expected: list[str]) -> None:
    said = unseen_figures(parsed_objectives(metric), FIGURES)
    assert len(said) == len(expected)
    for sentence, parts in zip(said, expected, strict=True):
        assert all(part in sentence for part in parts.split(".*"))


def test_where_nothing_has_run_nothing_is_told() -> None:
    assert unseen_figures(parsed_objectives("nonsense"), {}) == []
