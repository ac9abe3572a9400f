from pathlib import Path

import pytest
import yaml

from pipeline.code import closure, code_of
from pipeline.code.closure import DATA
from pipeline.config.check import check
from pipeline.config.graph_file import stage_entries
from pipeline.config.load import listed_groups, read_resolved
from pipeline.schemas import Config
from tests.conftest import ROOT

pytestmark = pytest.mark.usefixtures("root")


def configured(**changes: dict[str, object]) -> Config:
    values = read_resolved()
    for group, keys in changes.items():
        values[group] = {**values[group], **keys}
    return check(values)


def files_of(stage: str, **changes: dict[str, object]) -> list[str]:
    return closure(stage, configured(**changes), listed_groups(stage))


def test_imports_inside_functions_and_of_imports_count() -> None:
    files = files_of("tag")
    assert "pipeline/captions/onnx_tagger.py" in files
    assert "pipeline/files/atomic.py" in files
    assert "stages/crop.py" not in files


def test_only_the_configured_algorithm_counts() -> None:
    files = files_of("train")
    assert "pipeline/networks/algorithms/lora.py" in files
    assert "pipeline/networks/algorithms/loha.py" not in files
    assert "pipeline/networks/algorithms/loha.py" in files_of("train", network={"name": "loha"})
    assert not [file for file in files_of("tag") if "algorithms" in file]


def test_the_family_of_the_base_counts_alone() -> None:
    families = {file.split("/")[2] for file in files_of("train") if file.count("/") > 2 and "/bases/" in file}
    assert families == {"sd1"}
    assert "pipeline/bases/registry.py" not in files_of("filter-tags")


def test_only_the_objective_of_the_base_counts_and_for_training_alone() -> None:
    objectives = {file.split("/")[2] for file in files_of("train") if file.startswith("pipeline/objectives/")}
    assert {"diffusion.py", "noise.py", "levels.py", "losses.py", "objective.py"} <= objectives
    assert "flow.py" not in objectives
    for stage in ("encode", "class-images", "sample-grid", "merge"):
        assert "pipeline/objectives/diffusion.py" not in files_of(stage)


def test_every_algorithm_counts_where_any_file_may_be_read() -> None:
    recipe: dict[str, dict[str, object]] = {"sample_grid": {"prompt_networks": ["models/others"]}}
    assert "pipeline/networks/algorithms/loha.py" in files_of("sample-grid", **recipe)
    assert "pipeline/networks/algorithms/loha.py" not in files_of("sample-grid")
    others: list[dict[str, object]] = [
        {"network": "tries/style.safetensors"},
        {"x": "network", "x_values": ["last", "tries/style.safetensors"]},
    ]  # fmt: skip
    for grid in others:
        assert "pipeline/networks/algorithms/loha.py" in files_of("sample-grid", sample_grid=grid)


def test_every_family_counts_where_an_axis_names_checkpoints() -> None:
    axis: dict[str, object] = {"x": "checkpoint", "x_values": ["demo/base_xl"]}
    assert "pipeline/bases/sdxl/family.py" in files_of("sample-grid", sample_grid=axis)
    assert "pipeline/bases/sdxl/family.py" not in files_of("sample-grid")


def test_a_hub_names_family_is_the_one_that_is_given() -> None:
    files = files_of("train", base={"path": "someone/some-base", "family": "sdxl"})
    assert "pipeline/bases/sdxl/family.py" in files
    assert "pipeline/bases/sd2/family.py" not in files


def test_what_a_record_is_written_with_counts() -> None:
    assert "pipeline/printable.py" in files_of("collect")


def test_schemas_of_groups_that_the_stage_reads_count() -> None:
    schemas = {file for file in files_of("collect") if file.startswith("pipeline/schemas")}
    assert schemas == {"pipeline/schemas/collect.py", "pipeline/schemas/group.py"}


def test_data_of_the_package_counts() -> None:
    assert "pipeline/bases/sd1/configs" in files_of("encode")


def test_all_data_of_the_package_is_read_by_a_module_that_says_so() -> None:
    said = tuple(DATA.values())
    ends = {".json", ".gz", ".j2", ".css", ".txt", ".js"}
    data = {path.as_posix() for path in (ROOT / "pipeline").rglob("*") if path.suffix in ends}
    names = {Path(path).relative_to(ROOT).as_posix() for path in data}
    by_hand = (
        "pipeline/clusters/",
        "pipeline/compare/",
        "pipeline/workbench/",
        "pipeline/bases/",
    )  # no stage imports these, nor yet bases
    assert not [name for name in names if not name.startswith((*said, *by_hand))]
    assert not [name for name in said if not Path(name).exists()]


def test_the_hash_is_that_of_the_resolved_file() -> None:
    kept = yaml.safe_load((ROOT / "params.resolved.yaml").read_text())["code"]
    assert kept["tag"] == code_of("tag", configured(), listed_groups("tag")), "run `dvc repro compose`"


def test_no_stage_depends_on_the_workbench() -> None:
    found = {stage: files_of(stage) for stage in stage_entries()}
    assert len(found) >= 10
    assert not [(stage, file) for stage, files in found.items() for file in files if "workbench" in file]
