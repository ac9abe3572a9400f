"""What a run says about its device. Cards that are not here are described by hand."""

from typing import Any

import pytest
import torch

from pipeline.training.kernels import TrainingDevice, choices, choose, uses_tf32
from tests.pipeline.training.stepped import composed

pytestmark = pytest.mark.usefixtures("root")
AMPERE = TrainingDevice("cuda", "RTX 3090", (8, 6))
TURING = TrainingDevice("cuda", "RTX 2080", (7, 5))
CPU = TrainingDevice("cpu", "CPU")


def said(card: TrainingDevice, use: dict[str, str] | None = None, **train: Any) -> str:
    return "; ".join(
        choices(composed(use or {}, {f"train.{key}": value for key, value in train.items()}), card)
    )


def test_a_recent_card_in_16_bits() -> None:
    assert said(AMPERE, precision="bf16", channels_last=True) == (
        "attention by torch's SDPA (flash, if the shape allows); TF32 on (few products are left in 32 bits);"
        " channels_last on (train.channels_last: true); adamw fused; batches read ahead and pinned"
    )


def test_fp32_is_exact() -> None:
    assert "TF32 off (train.precision fp32 is exact)" in said(AMPERE)
    assert "flash needs 16 bits" in said(AMPERE)
    assert not uses_tf32(composed({}, {}), AMPERE)
    assert uses_tf32(composed({}, {"train.precision": "bf16"}), AMPERE)


def test_what_a_device_lacks_is_not_named() -> None:
    assert "TF32" not in said(TURING, precision="fp16")
    assert "not fused (fp16 scales gradients)" in said(TURING, precision="fp16")
    assert "fused" not in said(AMPERE, {"optimizer": "lion"})
    assert "memory-efficient: flash needs RTX 30 or newer" in said(TURING, precision="fp16")
    line = "attention by torch's SDPA; channels_last off (train.channels_last: false); adamw fused"
    assert said(CPU) == line


def test_it_is_one_line_and_the_switch_follows(capsys: pytest.CaptureFixture[str]) -> None:
    choose(composed({}, {}))
    line = capsys.readouterr().err
    assert line.startswith("training on ")
    assert line.count("\n") == 1
    assert torch.backends.cuda.matmul.allow_tf32 is False
