"""Ranks and alphas that a file's header states are held against its weights, and none is passed over."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from pipeline.errors import UserError
from pipeline.networks.adapter_config import CONFIG_FILE, PEFT_KEY
from pipeline.networks.network_files import read_weights
from pipeline.networks.scales import say_once
from tests.pipeline.networks.test_adapter_config import MODULE, written

PLACE = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"


@pytest.fixture(autouse=True)
def _said_anew() -> None:
    say_once.cache_clear()


def headed(tmp_path: Path, settings: Any, dim: int = 2) -> Path:
    text = settings if isinstance(settings, str) else json.dumps(settings)
    return written(tmp_path / "a.safetensors", dim, **{PEFT_KEY: text})


@pytest.mark.parametrize(
    "settings",
    [
        {"unet.r": 2, "unet.lora_alpha": 6},
        {"unet": {"r": 2, "lora_alpha": 6}},
        {"unet": {"r": 2}, "unet.lora_alpha": 6},
        {"r": 2, "lora_alpha": 6},
        {"unet.r": 16, "unet.lora_alpha": 6, "unet.rank_pattern": {"to_q": 2}},
        {"unet": {"r": 16, "lora_alpha": 6, "rank_pattern": {"to_q": 2}}},
        '{"unet.r": 2.0, "unet.lora_alpha": 6, "unet.use_rslora": false}',
    ],
)
def test_every_form_of_the_header_says_alpha(
    settings: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """alpha / r = 3, times the weights' rank of 2."""
    assert float(read_weights(headed(tmp_path, settings))[f"{MODULE}.alpha"]) == 6
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"unet.r": 16, "unet.lora_alpha": 6}, 16),
        ({"unet": {"r": 16, "lora_alpha": 6}}, 16),
        ({"unet.r": 2, "unet.lora_alpha": 6, "unet.rank_pattern": {"to_q": 4}}, 4),
        ({"unet.lora_alpha": 6}, 8),  # PEFT's own default
        ({"unet.use_rslora": True}, 8),
    ],
)
def test_a_header_of_other_weights_is_refused(settings: Any, said: int, tmp_path: Path) -> None:
    """As diffusers refuses it: alpha / rank would be anything."""
    path = headed(tmp_path, settings)
    with pytest.raises(UserError, match=f"{PLACE} has rank 2 in the file, {said} in the settings") as error:
        read_weights(path)
    assert str(error.value).startswith(f"{path}: {PEFT_KEY} in its header belongs to other weights")


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"decoder.r": 2}, "names the part 'decoder'; a LoRA .* unet, transformer, text_encoder"),
        ({"unet.r": 2, "unet": {"r": 4}}, r"unet\.r is set twice"),
        ('{"unet.r": 2, "unet.r": 4}', "'unet.r' is there twice"),
        ({"unet.r": 2, "unet.use_rslora": "maybe"}, "use_rslora is maybe; it must be true or false"),
        ('{"a": ' * 100 + "1" + "}" * 100, "nested more than 64 levels"),
    ],
)
def test_a_header_that_says_nothing_clear_is_refused(settings: Any, match: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=match):
        read_weights(headed(tmp_path, settings))


def test_an_alpha_that_the_weights_say_themselves_is_used_and_the_other_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tensors = {
        f"unet.{PLACE}.lora_A.weight": torch.ones(2, 16),
        f"unet.{PLACE}.lora_B.weight": torch.ones(16, 2),
        f"unet.{PLACE}.alpha": torch.tensor(4.0),
    }
    path = tmp_path / "a.safetensors"
    for alpha, told in ((4, 0), (6, 1)):
        save_file(tensors, path, {PEFT_KEY: json.dumps({"unet.r": 2, "unet.lora_alpha": alpha})})
        assert float(read_weights(path)[f"{MODULE}.alpha"]) == 4
        assert capsys.readouterr().err.count(f"has alpha 4 in its weights, and {alpha} by") == told


def test_brother_the_rank_of_a_loha_is_checked_too(tmp_path: Path) -> None:
    """`hada_w1_b` is [rank, in]."""
    halves = {
        f"unet.{PLACE}.hada_w{half}_{side}": torch.ones(shape)
        for half in (1, 2)
        for side, shape in (("a", (16, 2)), ("b", (2, 16)))
    }
    path = tmp_path / "a.safetensors"
    save_file(halves, path, {PEFT_KEY: json.dumps({"unet.r": 16, "unet.alpha": 6})})
    with pytest.raises(UserError, match="has rank 2 in the file, 16 in the settings"):
        read_weights(path)
    save_file(halves, path, {PEFT_KEY: json.dumps({"unet.r": 2, "unet.alpha": 6})})
    assert read_weights(path)[f"{MODULE}.hada_w1_a"].unique().tolist() == [3]  # alpha / r


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ('{"r": 2, "r": 4}', "'r' is there twice"),
        ('{"r": 2, "lora_alpha": Infinity}', "Infinity is no finite number"),
        (
            '{"r": 2, "note": "' + "x" * (1 << 20) + '"}',
            r"has 1 MiB, but PEFT's file of settings may have at most",
        ),
        (json.dumps({"peft_type": "X" * 100_000}), "has peft_type 'X{40}'; only LORA"),
    ],
)
def test_brother_the_file_beside_is_read_as_all_json_is(settings: str, match: str, tmp_path: Path) -> None:
    path = written(tmp_path / "a.safetensors")
    (tmp_path / CONFIG_FILE).write_text(settings)
    with pytest.raises(UserError, match=match) as error:
        read_weights(path)
    assert len(str(error.value)) < 600
    (tmp_path / CONFIG_FILE).write_text('\ufeff{"r": 2, "lora_alpha": 6}')  # as Windows' editor writes it
    assert float(read_weights(path)[f"{MODULE}.alpha"]) == 6
