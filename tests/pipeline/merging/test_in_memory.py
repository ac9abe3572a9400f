from pathlib import Path

import pytest
import torch

from pipeline.bases.base import Base
from pipeline.bases.load import load_base
from pipeline.bases.save import save_file
from pipeline.config.recipes import parse
from pipeline.errors import UserError
from pipeline.merging.build import run_recipe
from pipeline.merging.in_memory import MergedBase, Merges
from pipeline.schemas import BaseConfig
from tests.pipeline.bases.random_sd1 import random_base
from tests.pipeline.merging.random_checkpoints import write_file
from tests.pipeline.networks.test_network import answer


def base_of(path: Path, dtype: torch.dtype = torch.float32) -> Base:
    return load_base(BaseConfig.plain(str(path)), dtype)


def test_a_variation_answers_as_the_file_made_of_it_and_leaves_the_base_as_it_was(tmp_path: Path) -> None:
    for seed, name in enumerate("ab"):
        save_file(random_base(seed), tmp_path / f"{name}.safetensors", "fp32", {})
    step = {"method": "weighted_sum", "a": "a", "b": "b", "alpha": 0.2}
    content = {"inputs": {name: str(tmp_path / f"{name}.safetensors") for name in "ab"}, "merge": step}
    merges, base = Merges(content), base_of(tmp_path / "a.safetensors")
    plain, cell = answer(base), {"merge.alpha": 0.7, "merge.alpha.base_alpha": 1}
    with merges.applied(cell, base):
        varied = answer(base)
    assert torch.equal(answer(base), plain)
    run_recipe(merges.recipe(cell), tmp_path / "out.safetensors")
    assert torch.equal(answer(base_of(tmp_path / "out.safetensors")), varied)
    assert not torch.allclose(plain, varied, atol=1e-2)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_base_in_16_bits_takes_on_the_weights_of_the_file_read_in_16_bits(
    dtype: torch.dtype, tmp_path: Path
) -> None:
    """Inputs are merged as their files have them, then rounded once."""
    for seed, name in enumerate("ab"):
        save_file(random_base(seed), tmp_path / f"{name}.safetensors", "fp32", {})
    step = {"method": "weighted_sum", "a": "a", "b": "b", "alpha": 0.2}
    merges = Merges({"inputs": {name: str(tmp_path / f"{name}.safetensors") for name in "ab"}, "merge": step})
    run_recipe(merges.recipe({}), tmp_path / "out.safetensors")
    base, file = (base_of(tmp_path / f"{name}.safetensors", dtype) for name in ("a", "out"))
    assert base.denoiser.dtype == dtype
    with merges.applied({}, base):
        for part in base.loaded():
            pairs = zip(base.part(part).parameters(), file.part(part).parameters(), strict=True)
            assert all(torch.equal(ours, stored) for ours, stored in pairs)


def test_identity_follows_from_content_alone(tmp_path: Path) -> None:
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        for seed, name in enumerate("ab"):
            write_file(tmp_path / folder / f"{name}.safetensors", seed)
    step = {"method": "weighted_sum", "a": "a", "b": "b", "alpha": 0.2}
    here, there = (
        Merges({"inputs": {n: str(tmp_path / folder / f"{n}.safetensors") for n in "ab"}, "merge": step})
        for folder in ("here", "there")
    )
    assert here.identity({"merge.alpha": 0.3}) == there.identity({"merge.alpha": 0.3})
    assert here.identity({"merge.alpha": 0.3}) != here.identity({"merge.alpha": 0.4})
    with pytest.raises(UserError, match="did you mean alpha"):
        here.identity({"merge.alfa.base_alpha": 0.3})


def test_a_base_of_another_width_is_refused(tmp_path: Path) -> None:
    write_file(tmp_path / "a.safetensors", 0)
    merges = Merges({"inputs": {"a": str(tmp_path / "a.safetensors")}, "merge": "a"})
    base = random_base()
    base.denoiser.conv_in.weight.data = torch.zeros(4, 4, 3, 3)
    with pytest.raises(UserError, match=r"input_blocks\.0\.0"), merges.applied({}, base):
        pass
    assert parse(merges.content, "recipe").merge == "a"


def test_a_base_becomes_one_variation_after_another_and_only_what_differs_is_merged(tmp_path: Path) -> None:
    for seed, name in enumerate("ab"):
        save_file(random_base(seed), tmp_path / f"{name}.safetensors", "fp32", {})
    step = {"method": "weighted_sum", "a": "a", "b": "b", "alpha": {"blocks": 0.2, "base_alpha": 0.0}}
    content = {
        "inputs": {n: str(tmp_path / f"{n}.safetensors") for n in "ab"},
        "merge": step,
        "dtype": "fp32",
    }
    merges, base = Merges(content), base_of(tmp_path / "a.safetensors")
    plain, merged = answer(base), MergedBase(merges, base)
    assert merged.become({}) == len(merged.parameters)
    assert not any(name.startswith("first_stage") for name in merged.own)  # A's VAE is not kept twice
    num_texts = sum(name.startswith("cond_stage") for name in merged.parameters)
    assert merged.become({"merge.alpha.base_alpha": 0.5}) == num_texts
    stepwise = answer(base)
    merged.become(None)
    assert torch.equal(answer(base), plain)
    with merges.applied({"merge.alpha.base_alpha": 0.5}, base):
        assert torch.equal(answer(base), stepwise)
