"""The torch network against facts from AUTOMATIC1111's modules/deepbooru_model.py, and against a reference
that is written along that file's list of convolutions.
"""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from pipeline.errors import UserError
from pipeline.vision import deepdanbooru
from pipeline.vision.deepdanbooru import DeepDanbooru, ResNetStage, TorchDeepDanbooru

SHAPES = {
    0: (64, 3, 7, 7), 1: (256, 64, 1, 1), 2: (64, 64, 1, 1), 10: (256, 64, 1, 1), 11: (512, 256, 1, 1),
    13: (128, 128, 3, 3), 35: (512, 128, 1, 1), 36: (1024, 512, 1, 1), 38: (256, 256, 3, 3),
    96: (1024, 256, 1, 1), 97: (256, 1024, 1, 1), 98: (256, 256, 3, 3), 99: (1024, 256, 1, 1),
    100: (1024, 1024, 1, 1), 101: (256, 1024, 1, 1), 157: (1024, 256, 1, 1), 158: (2048, 1024, 1, 1),
    160: (512, 512, 3, 3), 168: (4096, 2048, 1, 1), 170: (1024, 1024, 3, 3), 177: (4096, 1024, 1, 1),
    178: (9176, 4096, 1, 1),
}  # fmt: skip
"""Weights by number, as that file has them."""
STRIDE_2 = {0, 11, 13, 36, 38, 98, 100, 158, 160, 168, 170}
SHORTCUTS = {1: (2, 3, 4), 11: (12, 13, 14), 36: (37, 38, 39), 100: (97, 98, 99), 158: (159, 160, 161),
             168: (169, 170, 171)}  # fmt: skip
"""Shortcut -> the three convolutions of its block; all others run through three by three."""
NARROW = tuple(
    ResNetStage(
        stage.blocks, max(1, stage.width // 64), stage.outputs // 64, stage.stride, stage.shortcut_last
    )
    for stage in deepdanbooru.STAGES
)


def reference(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """[N, 3, side, side] -> [N, tags]."""

    def conv(number: int, x: Tensor) -> Tensor:
        weight = state[f"n_Conv_{number}.weight"]
        stride = 2 if number in STRIDE_2 else 1
        if number == 0:
            x = F.pad(x, (2, 3, 2, 3))
        elif weight.shape[-1] == 3:
            x = F.pad(x, (0, 1, 0, 1)) if stride == 2 else F.pad(x, (1, 1, 1, 1))
        return F.conv2d(x, weight, state.get(f"n_Conv_{number}.bias"), stride)

    x = F.max_pool2d(F.pad(conv(0, x).relu(), (0, 1, 0, 1), value=-torch.inf), 3, 2)
    shortcut_of = {main: shortcut for shortcut, main in SHORTCUTS.items()}
    numbers = [number for number in range(1, 178) if number not in SHORTCUTS]
    for start in range(0, len(numbers), 3):
        a, b, c = numbers[start : start + 3]
        y = conv(c, conv(b, conv(a, x).relu()).relu())
        shortcut = shortcut_of.get((a, b, c))
        x = (y + (x if shortcut is None else conv(shortcut, x))).relu()
    return conv(178, x).mean((2, 3)).sigmoid()


def test_weights_have_the_names_and_shapes_of_the_published_file() -> None:
    with torch.device("meta"):
        state = DeepDanbooru(9176).state_dict()
    assert {key for key in state if key.endswith("weight")} == {f"n_Conv_{n}.weight" for n in range(179)}
    assert {n: tuple(state[f"n_Conv_{n}.weight"].shape) for n in SHAPES} == SHAPES
    assert "n_Conv_177.bias" in state
    assert "n_Conv_178.bias" not in state


def test_the_network_computes_what_the_list_of_convolutions_says() -> None:
    torch.manual_seed(0)
    network = DeepDanbooru(7, stem=4, stages=NARROW).eval()
    x = torch.rand(2, 128, 128, 3)
    with torch.no_grad():
        y = network(x)
        expected = reference(network.state_dict(), x.permute(0, 3, 1, 2))
    assert y.shape == (2, 7)
    assert torch.equal(y, expected)
    assert y.std() > 0


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The published network has 160 million weights; the file's handling needs few."""
    monkeypatch.setattr(DeepDanbooru.__init__, "__defaults__", (4, NARROW))


@pytest.mark.usefixtures("narrow")
def test_a_weights_file_scores_pictures_under_its_own_tags(tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = DeepDanbooru(3).half().state_dict()
    torch.save({**state, "tags": ["1girl", "smile", "rating:safe"]}, tmp_path / "a.pt")
    tagger = TorchDeepDanbooru(tmp_path / "a.pt", batch=4)
    assert tagger.about.layout == "deepdanbooru-torch"
    assert tagger.about.preprocessing == "edge-square-lanczos-rgb-unit"
    assert [label.category for label in tagger.about.labels] == ["general", "general", "rating"]
    x = tagger.prepare(Image.new("RGB", (30, 20), (200, 30, 60)))
    y = tagger.answers(x[None])
    expected = reference(
        {key: w.float() for key, w in state.items()}, torch.from_numpy(x)[None].permute(0, 3, 1, 2)
    )
    assert y == pytest.approx(np.asarray(expected))


@pytest.mark.usefixtures("narrow")
def test_weights_of_another_network_are_told_by_name_and_shape(tmp_path: Path) -> None:
    state = DeepDanbooru(2).state_dict()
    torch.save({**state, "tags": ["a", "b", "c"]}, tmp_path / "a.pt")
    with pytest.raises(
        UserError, match=r"1 weights do not fit .*n_Conv_178\.weight: found \(2, .*expected \(3, "
    ):
        TorchDeepDanbooru(tmp_path / "a.pt", batch=1)


@pytest.mark.parametrize("content", [b"", pickle.dumps(os.system, 2), b"PK\x03\x04cut"])
def test_a_file_that_cannot_be_read_safely_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(UserError, match="cannot be read safely as weights"):
        TorchDeepDanbooru(tmp_path / "a.pt", batch=1)


def test_a_file_without_tags_is_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1)}, tmp_path / "a.pt")
    with pytest.raises(UserError, match="no list `tags` in it"):
        TorchDeepDanbooru(tmp_path / "a.pt", batch=1)
