import json
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, Any, Self

import pytest
import torch
from lycoris.modules.locon import LoConModule
from lycoris.modules.loha import LohaModule
from lycoris.modules.lokr import LokrModule
from safetensors.torch import save_file
from torch import Tensor, nn

from pipeline.bases.registry import family
from pipeline.bases.sd1.facts import FACTS
from pipeline.errors import UserError
from pipeline.files.embedding_file import write_a1111, write_each
from pipeline.networks.__main__ import main
from pipeline.networks.changes import change_of
from pipeline.networks.families import family_of_file
from pipeline.networks.inspection import block_of_module, inspect, norms_by_block
from tests.pipeline.files.a1111_hypernetwork import two_wide
from tests.typed import typed

DOWN = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"


def lora(scale: float) -> dict[str, Tensor]:
    """Change: scale / 2 * [[3, 6], [4, 8]], of norm 2.5 sqrt(5) * scale."""
    return {
        "lora_down.weight": torch.tensor([[1.0, 2.0], [0.0, 0.0]]),
        "lora_up.weight": torch.tensor([[3.0, 0.0], [4.0, 0.0]]),
        "alpha": torch.tensor(scale),
    }


def saved(path: Path, modules: dict[str, dict[str, Tensor]], metadata: dict[str, str] | None = None) -> Path:
    save_file({f"{name}.{leaf}": t for name, ws in modules.items() for leaf, t in ws.items()}, path, metadata)
    return path


def test_hand_worked_norms() -> None:
    modules = {
        DOWN: lora(2.0),
        DOWN.replace("_to_q", "_to_k"): lora(2.0),
        "lora_unet_mid_block_attentions_0_proj_in": lora(1.0),
        "lora_te_text_model_encoder_layers_0_mlp_fc1": lora(4.0),
    }
    one = 2.5 * 5**0.5
    found = norms_by_block(modules)
    assert list(found) == ["text encoder", "IN01", "M00"]
    assert list(found.values()) == pytest.approx([4 * one, 8**0.5 * one, one])


@pytest.mark.parametrize(
    ("name", "block"),
    [
        (DOWN, "IN01"),
        ("lora_unet_down_blocks_1_resnets_1_conv1", "IN05"),
        ("lora_unet_down_blocks_2_downsamplers_0_conv", "IN09"),
        ("lora_unet_up_blocks_3_attentions_2_proj_out", "OUT11"),
        ("lora_unet_up_blocks_0_upsamplers_0_conv", "OUT02"),
        ("lora_unet_conv_in", "IN00"),
        ("lora_unet_time_embedding_linear_1", "IN00"),
        ("lora_unet_conv_out", "OUT11"),
        ("lora_unet_input_blocks_4_1_proj_in", "IN04"),
        ("lora_unet_somewhere_else", "other"),
    ],
)
def test_blocks_of_file_names(name: str, block: str) -> None:
    assert block_of_module(name, family("sd1")) == block
    assert block in (*FACTS.blocks, "other")


@pytest.mark.parametrize("tucker", [False, True])
@pytest.mark.parametrize("target", [nn.Linear(12, 8), nn.Conv2d(12, 8, 3, padding=1)])
@pytest.mark.parametrize("kind", [LoConModule, LohaModule, LokrModule])
def test_changes_are_those_of_lycoris_forward_pass(
    kind: type[nn.Module], target: nn.Module, tucker: bool
) -> None:
    torch.manual_seed(0)
    theirs: Any = kind("x", target, 1.0, lora_dim=2, alpha=1.0, use_tucker=tucker)
    for parameter in theirs.parameters():
        nn.init.normal_(parameter)
    x = torch.randn((5, 12) if isinstance(target, nn.Linear) else (2, 12, 6, 6))
    weights = {key: value.detach() for key, value in theirs.state_dict().items()}
    assert isinstance(target.weight, Tensor)
    change = change_of(weights)
    assert change is not None
    with torch.no_grad():
        wanted = (theirs(x) - target(x)).square().sum()
        if kind is LokrModule:  # its elements in another order: only the norm is told
            merged = theirs.get_weight(target.weight.shape)
            assert change.norm().item() == pytest.approx(merged.norm().item(), rel=1e-5)
            return
        merged = change.reshape(target.weight.shape)
        ours = (
            nn.functional.linear(x, merged)
            if isinstance(target, nn.Linear)
            else nn.functional.conv2d(x, merged, padding=1)
        )
    assert ours.square().sum().item() == pytest.approx(wanted.item(), rel=1e-4)


@pytest.mark.parametrize(
    ("leaves", "family", "dim"),
    [
        (lora(1.0), "LoRA", "2"),
        ({**lora(1.0), "dora_scale": torch.ones(2)}, "LoRA with DoRA", "2"),
        (
            {"lora_down.weight": torch.ones(4, 2, 3, 3), "lora_up.weight": torch.ones(2, 4, 1, 1)},
            "LoCon",
            "4",
        ),
        ({"lokr_w1": torch.ones(2, 2), "lokr_w2": torch.ones(2, 2)}, "LoKr", "full"),
        ({"weight": torch.ones(2), "on_input": torch.tensor(False)}, "IA3", "full"),
        ({f"hada_w{n}_{p}": torch.ones(2, 2) for n in "12" for p in "ab"}, "LoHa", "2"),
    ],
)
def test_family_and_size(tmp_path: Path, leaves: dict[str, Tensor], family: str, dim: str) -> None:
    facts = inspect(saved(tmp_path / "a.safetensors", {DOWN: leaves})).facts
    assert (facts["family"], facts["dim"]) == (family, dim)
    assert facts["modules"] == "1 of the U-Net, 0 of the text encoder"


def test_embeddings_and_hypernetworks(tmp_path: Path) -> None:
    write_each(tmp_path, {"zib": torch.tensor([[3.0, 4.0], [0.0, 5.0]])})
    wanted = {"family": "embedding", "zib": "2 vectors of 2, mean norm 5"}
    assert inspect(tmp_path / "zib.safetensors").facts == wanted
    write_a1111(tmp_path / "zib.pt", "zib", torch.tensor([[3.0, 4.0], [0.0, 5.0]]), {})
    assert inspect(tmp_path / "zib.pt").facts == wanted
    two_wide(tmp_path / "h.pt")
    facts = inspect(tmp_path / "h.pt").facts
    assert facts["family"] == "hypernetwork"
    assert facts["width 2"] == "k norm 2.449, v norm 3"  # of six ones; of four ones, a two and a one


def test_a_checkpoint_is_no_network(tmp_path: Path) -> None:
    keys = ["cond_stage_model.transformer.a", "b.c", "d.e"]
    save_file({key: torch.ones(1) for key in keys}, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match=r"is not a network \(Stable Diffusion 1\.x\)"):
        inspect(tmp_path / "a.safetensors")


def test_a_damaged_module_is_a_sentence(tmp_path: Path) -> None:
    half, misfit = lora(1.0), lora(1.0)
    del half["lora_down.weight"]
    misfit["lora_up.weight"] = torch.ones(2, 3)
    for leaves in (half, misfit):
        with pytest.raises(UserError, match="do not fit together"):
            inspect(saved(tmp_path / "a.safetensors", {DOWN: leaves}))


def test_the_command(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.safetensors", {DOWN: lora(2.0)}, {"ss_network_dim": "2", "long": "x" * 200})
    told = typed(main, "inspect", str(path), "--norms").stdout
    assert told.splitlines()[1:] == [
        "family: LoRA", "base: not stated", "modules: 1 of the U-Net, 0 of the text encoder", "dim: 2",
        "alpha: 2", "norm by block:", "  IN01: 11.18", "metadata:",
        f"  long: {'x' * 100} ... (200 characters)", "  ss_network_dim: 2",
    ]  # fmt: skip
    wrong = typed(main, "inspect", "none.pt")
    assert wrong.returncode == 1
    assert wrong.stderr == "error: none.pt: no such file; correct the path\n"


@contextmanager
def bytes_read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many bytes each read inside took, through Python's files, the system's calls and safetensors."""
    found: list[int] = []
    preadv, opened = os.preadv, Path.open

    def counting_preadv(descriptor: int, views: list[memoryview], start: int) -> int:
        found.append(preadv(descriptor, views, start))
        return found[-1]

    class Counting:
        def __init__(self, file: IO[Any]) -> None:
            self.file = file

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def read(self, most: int = -1) -> Any:
            read = self.file.read(most)
            found.append(len(read))
            return read

    with monkeypatch.context() as patch:
        patch.setattr(os, "preadv", counting_preadv)
        patch.setattr(Path, "open", lambda path, mode="r": Counting(opened(path, mode)))
        patch.setattr("pipeline.files.safetensors_file.safe_open", whole_file)
        yield found


def whole_file(*_: object) -> None:
    raise AssertionError("the whole file is read")


def huge(path: Path) -> int:
    """A LoRA of 64 GB, which no disk holds: a header, 100 alphas, and a hole. The length of its header."""
    shapes = {"lora_down.weight": [1 << 14, 1 << 14], "lora_up.weight": [1 << 14, 1 << 10], "alpha": []}
    entries, end = {}, 0
    for number in range(100):
        for leaf, shape in shapes.items():
            length = 2 * prod(shape)
            span = [end, end := end + length]
            name = f"lora_unet_down_blocks_0_attentions_0_transformer_blocks_{number}_attn1_to_q.{leaf}"
            entries[name] = {"dtype": "F16", "shape": shape, "data_offsets": span}
    head = json.dumps({"__metadata__": {"ss_network_dim": "2"}, **entries}).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        file.truncate(8 + len(head) + end)
    return 8 + len(head)


def test_a_lora_is_inspected_from_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The header once, and two bytes for each alpha."""
    head = huge(tmp_path / "a.safetensors")
    with bytes_read(monkeypatch) as found:
        inspection = inspect(tmp_path / "a.safetensors", with_norms=False)
    assert (inspection.facts["family"], inspection.facts["dim"]) == ("LoRA", "16384")
    assert inspection.facts["alpha"] == "0"
    assert inspection.norms == {}
    assert sum(found) == head + 2 * 100


def test_a_files_family_is_told_from_one_look_at_its_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = huge(tmp_path / "a.safetensors")
    with bytes_read(monkeypatch) as found:
        assert family_of_file(tmp_path / "a.safetensors") == "lora"
    assert sum(found) == head + 2 * 100


@pytest.mark.parametrize("spelling", ["own", "diffusers"])
def test_facts_do_not_depend_on_the_norms(spelling: str, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    if spelling == "own":
        saved(path, {DOWN: lora(2.0)})
    else:
        place = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
        save_file(
            {f"{place}.lora_A.weight": torch.ones(2, 320), f"{place}.lora_B.weight": torch.ones(320, 2),
             f"{place}.lora_magnitude_vector": torch.ones(320)}, path,
        )  # fmt: skip
    whole, header = inspect(path), inspect(path, with_norms=False)
    assert (whole.facts, whole.metadata) == (header.facts, header.metadata)
