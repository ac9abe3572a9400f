"""LoRA files made here and by hand, read back by the networks that apply them."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from pipeline.bases.base import Base
from pipeline.bases.save import save_file
from pipeline.config.recipes import parse
from pipeline.errors import UserError
from pipeline.files.safetensors_file import write_safetensors
from pipeline.merging.__main__ import main
from pipeline.merging.build import run_recipe
from pipeline.merging.lora_files import combine, read_lora
from pipeline.networks.families import load
from pipeline.networks.network import AdapterNetwork
from tests.pipeline.bases.random_sd1 import random_base
from tests.pipeline.networks.test_families import trained


@pytest.fixture(scope="module")
def base() -> Base:
    return random_base()


@pytest.fixture(scope="module")
def loras(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loras")
    for kind in ("lora", "locon", "tucker", "loha"):
        write_safetensors(folder / f"{kind}.safetensors", trained(kind, base).file_tensors("fp32"), {})
    return folder


def deltas(path: Path, base: Base) -> dict[str, Tensor]:
    network = load(path, base)
    assert isinstance(network, AdapterNetwork)
    with torch.no_grad():
        return {name: adapter.delta(adapter.layer.weight).double() for name, adapter in network.adapters()}


def away(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


def test_combining_is_the_exact_sum_of_changes(loras: Path, base: Base, tmp_path: Path) -> None:
    out, names = tmp_path / "out.safetensors", ("lora", "tucker")
    given = [f"{loras}/lora.safetensors:0.5", f"{loras}/tucker.safetensors:-0.25"]
    main(["combine", *given, "--out", str(out), "--dtype", "fp32"])
    first, second = (deltas(loras / f"{name}.safetensors", base) for name in names)
    found = deltas(out, base)
    assert found.keys() == first.keys() | second.keys()
    for module, change in found.items():
        parts = [ratio * part[module] for part, ratio in ((first, 0.5), (second, -0.25)) if module in part]
        assert away(change, sum(parts, torch.zeros_like(change))) < 1e-6


def test_ratios_by_block(loras: Path, base: Base) -> None:
    file = read_lora(loras / "lora.safetensors")
    only_middle = combine([file], [[0.0] * 13 + [2.0] + [0.0] * 12], None)
    for module, pair in only_middle.pairs.items():
        wanted = 2.0 if "mid_block" in module else 0.0
        assert torch.allclose(pair.delta(), wanted * file.pairs[module].delta()), module


def test_a_files_blocks_are_those_of_the_family_that_its_header_names(tmp_path: Path) -> None:
    """SDXL has 19 numbers: the text encoders', nine, the middle's, nine."""
    module, path = "lora_unet_middle_block_1_proj_in", tmp_path / "x.safetensors"
    tensors = {f"{module}.lora_up.weight": torch.ones(4, 1), f"{module}.lora_down.weight": torch.ones(1, 4)}
    write_safetensors(path, tensors, {"modelspec.architecture": "stable-diffusion-xl-v1-base/lora"})
    file = read_lora(path)
    found = combine([file], [[0.0] * 10 + [2.0] + [0.0] * 9], None)
    assert torch.allclose(found.pairs[module].delta(), 2 * file.pairs[module].delta())
    with pytest.raises(UserError, match=r"26 numbers; give one for each of this family.s 19 blocks"):
        combine([file], [[0.0] * 26], None)


def test_resizing_to_the_full_rank_is_exact_and_below_it_says_the_error(
    loras: Path, base: Base, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = loras / "locon.safetensors", tmp_path / "out.safetensors"
    main(["resize", str(source), "--rank", "4", "--out", str(out), "--dtype", "fp32"])
    before, after = deltas(source, base), deltas(out, base)
    assert max(away(after[module], before[module]) for module in before) < 1e-5
    main(["resize", str(source), "--rank", "1", "--out", str(out), "--dtype", "fp32"])
    told = float(capsys.readouterr().out.splitlines()[-1].split()[-1].rstrip("%")) / 100
    after = deltas(out, base)
    both = [torch.cat([each[module].flatten() for module in before]) for each in (after, before)]
    assert away(*both) == pytest.approx(told, abs=1e-4)
    with safe_open(out, "pt") as file:
        assert file.metadata()["ss_network_dim"] == "1"


def test_dynamic_ranks_stay_below_the_largest(loras: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.safetensors"
    command = [
        "resize",
        str(loras / "lora.safetensors"),
        "--rank",
        "3",
        "--by",
        "frobenius",
        "--share",
        "0.9",
    ]
    main([*command, "--out", str(out)])
    ranks = {len(value) for key, value in load_file(out).items() if key.endswith("lora_down.weight")}
    assert len(ranks) > 1
    assert max(ranks) <= 3
    with safe_open(out, "pt") as file:
        assert file.metadata()["ss_network_dim"] == "Dynamic"


def test_other_families_are_refused(loras: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="only LoRA and LoCon files"):
        read_lora(loras / "loha.safetensors")
    with pytest.raises(UserError, match="belong together"):
        main(["resize", "x", "--rank", "3", "--by", "ratio", "--out", str(tmp_path / "o.safetensors")])


def test_extracting_finds_the_lora_that_was_baked_in(loras: Path, base: Base, tmp_path: Path) -> None:
    original, tuned, out = (tmp_path / f"{name}.safetensors" for name in ("original", "tuned", "out"))
    save_file(base, original, "fp32", {})
    step = {"method": "bake", "model": "base", "network": "net"}
    inputs = {"base": str(original), "net": str(loras / "locon.safetensors")}
    run_recipe(parse({"inputs": inputs, "merge": step, "dtype": "fp32"}, "recipe"), tuned)
    command = ["extract", str(tuned), str(original), "--dim", "4", "--conv-dim", "2"]
    main([*command, "--out", str(out), "--dtype", "fp32"])
    wanted, found = deltas(loras / "locon.safetensors", base), deltas(out, base)
    assert found.keys() == wanted.keys()  # the text encoder with them
    assert max(away(found[module], wanted[module]) for module in wanted) < 1e-4


def test_what_a_lora_cannot_hold_is_told(
    base: Base, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    original, tuned = tmp_path / "original.safetensors", tmp_path / "tuned.safetensors"
    save_file(base, original, "fp32", {})
    tensors = load_file(original)
    text = "cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1.weight"
    tensors[text] = tensors[text] + 1e-3  # less than other tools' threshold
    tensors["model.diffusion_model.out.0.bias"] = tensors["model.diffusion_model.out.0.bias"] + 1
    write_safetensors(tuned, tensors, {})
    main(["extract", str(tuned), str(original), "--dim", "2", "--out", str(tmp_path / "out.safetensors")])
    assert "1 modules" in (told := capsys.readouterr()).out
    assert "model.diffusion_model.out.0.bias" in told.err
    assert any("lora_te_text_model" in key for key in load_file(tmp_path / "out.safetensors"))
    with pytest.raises(UserError, match="differ in no layer"):
        main(
            ["extract", str(original), str(original), "--dim", "2", "--out", str(tmp_path / "o.safetensors")]
        )
