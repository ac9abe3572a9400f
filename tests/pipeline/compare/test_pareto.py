"""Several measures: what is not dominated, its table and its plot."""

from collections.abc import Mapping

import pytest

from pipeline.compare.page import as_text, num_front, tabulated
from pipeline.compare.pareto import SCATTER_HEIGHT_PX, SCATTER_WIDTH_PX, front, front_of, scatters
from pipeline.compare.runs import ComparedRun
from pipeline.errors import UserError
from pipeline.sweep.metrics import JOINT_OBJECTIVE, objectives_of, parsed_objectives


def run(name: str, figures: Mapping[str, float]) -> ComparedRun:
    made = ComparedRun(name, name, is_experiment=True)
    vars(made).update(figures=figures, settings={"network.dim": name}, seconds=1.0, network_bytes=None)
    return made


RUNS = [
    run("keeps", {"identity": 0.5, "loss": 0.2}),
    run("learns", {"identity": 0.9, "loss": 0.4}),
    run("neither", {"identity": 0.4, "loss": 0.3}),
    run("unmeasured", {"identity": 1.0}),
]
BOTH = parsed_objectives("identity,-loss")


def test_the_front_by_hand() -> None:
    assert front([(1, 0), (0, 1), (0.5, 0.5), (0.4, 0.4), (0, 0.9)]) == [0, 1, 2]
    assert front([(1, 1), (1, 1)]) == [0, 1]  # equal runs do not dominate each other
    assert front([(3,), (2,), (3,)]) == [0, 2]
    assert front([]) == []


def test_smaller_is_better_behind_a_dash_and_a_run_without_a_measure_is_left_out() -> None:
    assert [each.name for each in front_of(RUNS, BOTH)] == ["learns", "keeps"]
    assert [each.minimize for each in BOTH] == [False, True]
    assert parsed_objectives("a + b")[0].figures == ("a", "b")
    assert all(each.minimize for each in parsed_objectives("a,b", minimize=True))
    with pytest.raises(UserError, match=r"a figure is missing"):
        parsed_objectives("a,,b")
    with pytest.raises(UserError, match=r"--metric los: no such figure; did you mean loss"):
        objectives_of("identity,-los", False, [each.figures for each in RUNS])


def test_the_joint_score_is_the_default() -> None:
    figures = {"sample_grid.best.joint": 0.5, "sample_grid.best.subject": 1.0, "sample_grid.best.prompt": 1.0}
    assert objectives_of(None, False, [figures]) == (JOINT_OBJECTIVE,)
    assert objectives_of(None, False, [figures, {"train.validation_loss": 1.0}])[0] is not JOINT_OBJECTIVE


def test_the_table_has_the_front_first_and_marks_it() -> None:
    table = tabulated(RUNS, BOTH)
    assert [row.run.name for row in table.rows] == ["learns", "keeps", "unmeasured", "neither"]
    assert table.header == ["run", "network.dim", "Pareto front", "identity", "loss", "MiB", "seconds"]
    assert table.lines[0][2:5] == ["yes", "0.9", "0.4"]
    assert table.lines[3][2:5] == ["", "0.4", "0.3"]
    assert num_front(table) == 2
    assert "Pareto front" in as_text(table)
    single = tabulated(RUNS, BOTH[:1])
    assert "Pareto front" not in single.header
    assert single.rows[0].run.name == "unmeasured"


def test_the_plot_has_a_dot_for_each_measured_run_inside_its_frame() -> None:
    (plot,) = scatters(RUNS, BOTH)
    assert {dot.name: dot.on_front for dot in plot.dots} == {"keeps": True, "learns": True, "neither": False}
    places = {dot.name: (float(dot.x), float(dot.y)) for dot in plot.dots}
    assert all(0 < x < SCATTER_WIDTH_PX and 0 < y < SCATTER_HEIGHT_PX for x, y in places.values())
    assert places["learns"][0] > places["keeps"][0] > places["neither"][0]
    assert places["learns"][1] < places["neither"][1] < places["keeps"][1]  # a larger loss is higher up
    assert plot.steps.split() == [f"{x:.1f},{y:.1f}" for x, y in (places["keeps"], places["learns"])]
    assert plot.up == "loss (smaller is better)"
    assert scatters(RUNS, BOTH[:1]) == []
    assert len(scatters([run("one", {"a": 1, "b": 1, "c": 1})], parsed_objectives("a,b,c"))) == 2
