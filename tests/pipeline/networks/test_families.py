from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from pipeline.bases.base import Base
from pipeline.config.compose import options
from pipeline.errors import UserError
from pipeline.files.safetensors_file import write_safetensors
from pipeline.networks.algorithms.dylora import cut_all
from pipeline.networks.families import FAMILIES, create, family_of_file, load
from pipeline.networks.network import AdapterNetwork
from pipeline.networks.trained import Trainable
from tests.pipeline.bases.random_sd1 import random_base
from tests.pipeline.networks.test_network import answer, config

KINDS = {
    "lora": config("lora"),
    "locon": config("locon", conv_dim=2),
    "tucker": config("locon", conv_dim=2, tucker=True),
    "loha": config("loha", conv_dim=2, dim=2),
    "lokr": config("lokr", conv_dim=2, dim=1),
    "ia3": config("ia3"),
    "dylora": config("dylora", unit=2),
    "dora": config("lora", dora=True),
}


@pytest.fixture(scope="module")
def base() -> Base:
    return random_base()


def trained(kind: str, base: Base) -> AdapterNetwork:
    return filled(create(KINDS[kind], base, seed=0))


def filled(network: Trainable) -> AdapterNetwork:
    """With no weight at zero any more."""
    assert isinstance(network, AdapterNetwork)
    torch.manual_seed(2)
    for _, adapter in network.adapters():
        for parameter in adapter.parameters():
            parameter.data = parameter.data * 1.1 + 0.1 * torch.randn(parameter.shape)
    return network.eval()


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_recognised_acts_the_same_and_is_written_again_to_the_byte(
    kind: str, tmp_path: Path, base: Base
) -> None:
    network, path, again = trained(kind, base), tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    write_safetensors(path, network.file_tensors("fp32"), {})
    expected = {"tucker": "locon", "dylora": "lora", "dora": "lora"}.get(kind, kind)
    assert family_of_file(path) == expected
    loaded = load(path, base)
    write_safetensors(again, loaded.file_tensors("fp32"), {})
    assert path.read_bytes() == again.read_bytes()
    plain = answer(base)
    for strength in (1.0, 0.5):
        network.set_weight(strength)
        loaded.set_weight(strength)
        with network.attached(base):
            ours = answer(base)
        with loaded.attached(base):
            assert torch.equal(answer(base), ours)
        assert (ours - plain).norm() > 1e-2 * plain.norm()
    assert torch.equal(answer(base), plain)


@pytest.mark.parametrize("kind", ["locon", "loha", "lokr", "dora"])
def test_each_starts_at_the_base(kind: str, base: Base) -> None:
    network = create(KINDS[kind], base, seed=0)
    plain = answer(base)
    with network.attached(base):
        assert torch.allclose(answer(base), plain, atol=1e-5)


@pytest.mark.usefixtures("root")
def test_every_option_has_its_family() -> None:
    assert FAMILIES.keys() == set(options("network"))


def test_an_unknown_file_is_told(tmp_path: Path, base: Base) -> None:
    path = tmp_path / "x.safetensors"
    with pytest.raises(UserError, match="no such file"):
        load(path, base)
    path.write_bytes(b"nonsense")
    with pytest.raises(UserError, match="not a readable"):
        load(path, base)
    save_file({"something.else": torch.zeros(1)}, path)
    with pytest.raises(
        UserError, match=r"not a network file of a known family; its keys are like something.else"
    ):
        load(path, base)
    save_file(
        {"lora_unet_conv_in.unknown": torch.zeros(1), "lora_te_x.lora_up.weight": torch.zeros(1, 1)}, path
    )
    with pytest.raises(UserError, match="not in this base"):
        load(path, base)


def test_a_module_of_an_unknown_algorithm_is_told(tmp_path: Path, base: Base) -> None:
    path = tmp_path / "x.safetensors"
    weights = trained("lora", base).file_tensors("fp32")
    save_file({**weights, "lora_unet_conv_in.unknown": torch.zeros(1)}, path)
    with pytest.raises(UserError, match="lora_unet_conv_in has unknown, which no known algorithm uses"):
        load(path, base)


def test_dylora_files_of_each_rank_act_as_the_network_cut_there(tmp_path: Path, base: Base) -> None:
    network = filled(create(config("dylora", dim=16, alpha=8.0, unit=4), base, seed=0))
    beside = network.companion_files("fp32")
    assert {end: file.metadata["ss_network_dim"] for end, file in beside.items()} == {
        "-rank4": "4",
        "-rank8": "8",
        "-rank12": "12",
    }
    files = {int(end.removeprefix("-rank")): file.tensors for end, file in beside.items()}
    files[16] = network.file_tensors("fp32")
    for rank, tensors in files.items():
        assert {float(value) for key, value in tensors.items() if key.endswith("alpha")} == {8.0}
        write_safetensors(tmp_path / "a.safetensors", tensors, {})
        loaded = load(tmp_path / "a.safetensors", base)
        cut_all((adapter for _, adapter in network.train().adapters()), rank)
        with network.attached(base):
            in_training = answer(base)
        with loaded.attached(base):
            assert torch.allclose(answer(base), in_training, atol=1e-6)
        assert {value.shape[0] for key, value in tensors.items() if "lora_down" in key} == {rank}


def test_ia3_as_differences_is_what_comfyui_adds(base: Base) -> None:
    network = trained("ia3", base)
    differences = network.companion_files("fp32")["-diff"].tensors
    assert differences.keys() == {f"{name}.diff" for name in network}
    for name, adapter in network.adapters():
        assert torch.equal(differences[f"{name}.diff"], adapter.delta(adapter.layer.weight))


def test_a_dylora_step_draws_its_rank_from_the_seed_alone(base: Base) -> None:
    network: Any = trained("dylora", base)
    drawn = []
    for seed in range(40):
        network.before_step(seed)
        drawn.append({adapter.rank for _, adapter in network.adapters()})
    assert {2} in drawn
    assert {4} in drawn
    assert all(len(ranks) == 1 for ranks in drawn)
    network.before_step(7)
    assert {adapter.rank for _, adapter in network.adapters()} == drawn[7]


def test_two_networks_on_one_base_add_up_and_part_again(tmp_path: Path, base: Base) -> None:
    one, two = trained("loha", base), trained("lora", base)
    plain = answer(base)
    with two.attached(base):
        alone = answer(base)
        with one.attached(base):
            one.set_weight(0.0)
            assert torch.allclose(answer(base), alone, atol=1e-5)
        assert torch.equal(answer(base), alone)
    assert torch.equal(answer(base), plain)
