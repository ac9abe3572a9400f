"""Which stages jobs share follows from dvc.yaml and the values alone."""

import pytest

from pipeline.sweep.graph import segments, stage_keys, stages, stages_for
from pipeline.sweep.jobs import checked

pytestmark = pytest.mark.usefixtures("root")


def shared(*sets: tuple[str, ...]) -> list[list[tuple[set[str], bool]]]:
    keys = [stage_keys(checked(overrides).values(), stages_for([])) for overrides in sets]
    return [[(set(each.stages), each.is_shared) for each in of_job] for of_job in segments(keys)]


def test_stages_stand_after_what_they_read() -> None:
    names = list(stages())
    for name, stage in stages().items():
        assert all(names.index(above) < names.index(name) for above in stage.above)


def test_targets_bring_what_they_depend_on() -> None:
    assert set(stages_for(["crop"])) == {"collect", "crop"}
    assert "merge" not in stages_for(["train"])


def test_what_only_training_depends_on_leaves_all_above_shared() -> None:
    above = {"collect", "crop", "tag", "filter-tags", "class-images", "encode"}
    below = {"train", "sample-grid", "merge", "report"}
    for of_job in shared(("network.dim=4",), ("network.dim=8",)):
        assert of_job == [(above, True), (below, False)]


def test_jobs_that_differ_in_two_places_share_by_halves() -> None:
    found = shared(
        *[(f"crop.focus={focus}", f"network.dim={dim}") for focus in ("focal", "centre") for dim in (4, 8)]
    )
    for of_job in found:
        assert of_job[0] == ({"collect", "class-images"}, True)
        assert of_job[1] == ({"crop", "tag", "filter-tags", "encode"}, True)
        assert of_job[2] == ({"train", "sample-grid", "merge", "report"}, False)
    keys = [
        segments(
            [
                stage_keys(checked((f"crop.focus={focus}",)).values(), stages_for([]))
                for focus in ("focal", "centre")
            ]
        )
    ]
    assert keys[0][0][0].key == keys[0][1][0].key
    assert keys[0][0][1].key != keys[0][1][1].key


def test_a_segment_names_the_outputs_that_it_reads() -> None:
    keys = [stage_keys(checked((f"network.dim={dim}",)).values(), stages_for([])) for dim in (4, 8)]
    needs = set(segments(keys)[0][1].needs)
    assert {"data/encoded", "data/captions", "data/cropped", "models/network", "models/merged"} <= needs
    assert needs.isdisjoint({"data/collected", "data/tags"})
