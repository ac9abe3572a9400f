"""Matrices of rank 0 and numbers in place of matrices are a sentence in every command that reads adapters."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from pipeline.errors import UserError
from pipeline.merging.lora_files import read_lora
from pipeline.merging.network_changes import open_network
from pipeline.networks.families import family_of_file
from pipeline.networks.inspection import inspect
from pipeline.networks.network_files import read_weights

OWN = "lora_unet_mid_block_attentions_0_proj_in"
THEIRS = "unet.mid_block.attentions.0.proj_in"
READERS: list[Callable[[Path], Any]] = [read_weights, inspect, family_of_file, open_network, read_lora]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("change", "shape", "reason"),
    [
        ({"down": torch.ones(0, 8)}, [0, 8], r"holds no numbers \(a rank of 0\)"),
        ({"up": torch.ones(8, 0)}, [8, 0], r"holds no numbers \(a rank of 0\)"),
        ({"down": torch.tensor(1.0)}, [], "must have at least 2 axes"),
        ({"down": torch.ones(8)}, [8], "must have at least 2 axes"),
        ({"alpha": torch.ones(3)}, [3], "must be one number"),
        ({"alpha": torch.ones(0)}, [0], "must be one number"),
    ],
)
@pytest.mark.parametrize("layout", ["own", "theirs"])
def test_a_shape_that_no_adapter_has_is_a_sentence(
    read: Callable[[Path], Any],
    change: dict[str, torch.Tensor],
    shape: list[int],
    reason: str,
    layout: str,
    tmp_path: Path,
) -> None:
    ends = ("lora_down.weight", "lora_up.weight") if layout == "own" else ("lora_A.weight", "lora_B.weight")
    keys = {"down": ends[0], "up": ends[1], "alpha": "alpha"}
    tensors = {"down": torch.ones(2, 8), "up": torch.ones(8, 2), "alpha": torch.tensor(1.0), **change}
    stem, path = OWN if layout == "own" else THEIRS, tmp_path / "a.safetensors"
    save_file({f"{stem}.{keys[name]}": tensor for name, tensor in tensors.items()}, path)
    with pytest.raises(UserError, match=reason) as error:
        read(path)
    assert f"{path}: 1 of its tensors" in str(error.value)
    assert f"{OWN}." in str(error.value)
    assert f"has the shape {shape}" in str(error.value)


def test_brother_other_algorithms_and_embeddings(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    halves = {f"{OWN}.hada_w{half}_{side}": torch.ones(8, 8) for half in (1, 2) for side in "ab"}
    for name in halves:
        save_file(halves | {name: torch.ones(0, 8)}, path)
        with pytest.raises(UserError, match=r"holds no numbers \(a rank of 0\)"):
            inspect(path)
    save_file({"emb_params": torch.ones(1, 0)}, path)
    with pytest.raises(UserError, match="an embedding holds floats"):
        inspect(path)
