"""A card that torch cannot use is said aloud. Stand-ins for the card, the driver and torch's build."""

from pathlib import Path

import pytest
import torch

from pipeline import nvidia_card, pci_cards
from pipeline.device import best_device
from pipeline.unused_card import hidden_cards, say_unused_card, unused_card


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """No card, no driver, a torch without CUDA."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(pci_cards, "PCI_DEVICES", tmp_path / "pci")
    monkeypatch.setattr(nvidia_card, "DRIVER", tmp_path / "version")
    monkeypatch.setattr(nvidia_card, "names", list)
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    say_unused_card.cache_clear()
    return monkeypatch


def on_the_bus(folder: Path, vendor: str, kind: str) -> None:
    device = folder / "pci" / "0000:01:00.0"
    device.mkdir(parents=True)
    (device / "vendor").write_text(f"{vendor}\n")
    (device / "class").write_text(f"{kind}\n")


def test_nothing_is_said_without_a_card(tmp_path: Path) -> None:
    assert unused_card() is None
    on_the_bus(tmp_path, "0x8086", "0x030000")
    assert unused_card() is None


def test_a_sound_device_of_the_same_maker_is_no_card(tmp_path: Path) -> None:
    on_the_bus(tmp_path, "0x10de", "0x040300")
    assert unused_card() is None


def test_a_torch_without_cuda(machine: pytest.MonkeyPatch) -> None:
    machine.setattr(nvidia_card, "names", lambda: ["NVIDIA GeForce RTX 3060, 560.35"])
    said = unused_card()
    assert said
    assert "NVIDIA GeForce RTX 3060, 560.35" in said
    assert "is built without CUDA" in said
    assert "python tasks.py setup" in said


def test_a_card_without_a_driver(machine: pytest.MonkeyPatch, tmp_path: Path) -> None:
    on_the_bus(tmp_path, "0x10de", "0x030000")
    machine.setattr(torch.version, "cuda", "13.0")
    assert "its driver is not loaded" in str(unused_card())


def test_a_driver_that_is_too_old(machine: pytest.MonkeyPatch) -> None:
    machine.setattr(nvidia_card, "names", lambda: ["NVIDIA GeForce RTX 3060, 470.1"])
    machine.setattr(torch.version, "cuda", "13.0")
    assert "too old for CUDA 13.0" in str(unused_card())


def test_a_card_that_the_user_hides_is_his_choice(machine: pytest.MonkeyPatch, tmp_path: Path) -> None:
    on_the_bus(tmp_path, "0x10de", "0x030000")
    machine.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert unused_card() is None
    assert "CUDA_VISIBLE_DEVICES is '-1', which hides" in str(hidden_cards())
    machine.delenv("CUDA_VISIBLE_DEVICES")
    assert hidden_cards() is None


@pytest.mark.parametrize(
    ("value", "hides"), [("1", True), ("-2", True), ("7,0", True), ("0", False), ("GPU-1", False)]
)
def test_a_card_that_is_hidden_by_mistake(machine: pytest.MonkeyPatch, value: str, hides: bool) -> None:
    """There is one, number 0; a name is not looked up."""
    machine.setattr(torch.version, "cuda", "13.0")
    machine.setattr(nvidia_card, "names", lambda: ["NVIDIA A10, 560.35"])
    machine.setenv("CUDA_VISIBLE_DEVICES", value)
    said = str(unused_card())
    assert (f"CUDA_VISIBLE_DEVICES is {value!r}, which hides the card" in said) == hides
    assert ("too old" in said) != hides


@pytest.mark.parametrize(("memory", "is_said"), [(16 * 2**30, True), (512 * 2**20, False), (None, False)])
def test_a_card_of_amd_needs_another_torch(
    machine: pytest.MonkeyPatch, tmp_path: Path, memory: int | None, is_said: bool
) -> None:
    """A processor's own graphics has little memory of its own, and other drivers tell none."""
    on_the_bus(tmp_path, "0x1002", "0x030000")
    if memory is not None:
        (tmp_path / "pci/0000:01:00.0/mem_info_vram_total").write_text(f"{memory}\n")
    machine.setattr(torch.version, "cuda", "13.0")
    assert ("whl/rocm7.2 torch==" in str(unused_card())) == is_said
    machine.setattr(torch.version, "hip", "7.2")
    assert unused_card() is None


@pytest.mark.parametrize(("capability", "is_said"), [((6, 1), True), ((7, 5), False), ((12, 1), False)])
def test_a_card_older_than_every_kernel(
    machine: pytest.MonkeyPatch, capability: tuple[int, int], is_said: bool
) -> None:
    machine.setattr(torch.cuda, "is_available", lambda: True)
    machine.setattr(torch.cuda, "get_device_capability", lambda: capability)
    machine.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_90", "sm_100a", "compute_120"])
    machine.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA GeForce GTX 1080")
    assert ("sm_61) is older than" in str(unused_card())) == is_said


def test_it_is_said_once_where_a_device_is_chosen(
    machine: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.setattr(nvidia_card, "names", lambda: ["NVIDIA A10, 560.35"])
    best_device()
    best_device()
    assert capsys.readouterr().err.count("warning: an NVIDIA card is here (NVIDIA A10, 560.35)") == 1


def test_nvidia_smi_that_fails_names_no_card(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    command = tmp_path / "nvidia-smi"
    command.write_text("#!/bin/sh\necho 'NVIDIA L4, 550.1'\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert nvidia_card.names() == ["NVIDIA L4, 550.1"]
    command.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'\nexit 9\n")
    assert nvidia_card.names() == []
