"""A stranger's patterns mean what they mean in PEFT, and never run for long."""

import json
import random
import re
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pipeline.errors import UserError
from pipeline.networks.module_patterns import effort, matches_end
from pipeline.networks.network_files import read_weights

PIECES = (".", "a", "b", r"\.", "^", "$", "(", "|", ")", "[ab]", "*", "+", "?", "[^a]")


def test_patterns_match_as_pefts_regular_expression_does() -> None:
    """PEFT: re.match(rf"(.*\\.)?({key})$", module). Drawn at random, thousands of readable ones."""
    draw, compared = random.Random(1), 0
    for _ in range(20_000):
        text = "".join(draw.choice(PIECES) for _ in range(draw.randint(1, 7)))
        module = "".join(draw.choice("ab..c") for _ in range(draw.randint(1, 6)))
        if effort(text) is not None:
            compared += 1
            assert matches_end(text, module) == bool(re.match(rf"(.*\.)?({text})$", module)), (text, module)
    assert compared > 5000


@pytest.mark.parametrize(
    ("text", "ways"),
    [
        ("attn1.to_q", 1),
        (r"^down_blocks\.0\.to_q$", 1),
        (r"up_blocks.*attn2\.to_k", 200),
        (r"down_blocks\.[0-2]\.(to_q|to_k|to_v)", 3),
        ("(a|b)(a|b)c?", 8),
        (".*.*.*x1", None),
        ("(a|b)*x", None),
        ("(?=a)b", None),
        (r"(a)\1", None),
        ("a{3}", None),
    ],
)
def test_ways_to_match(text: str, ways: int | None) -> None:
    assert effort(text) == ways


def written(path: Path, patterns: list[str], names: list[str]) -> Path:
    tensors = {}
    for name in names:
        tensors[f"unet.{name}.lora_A.weight"] = torch.ones(2, 4)
        tensors[f"unet.{name}.lora_B.weight"] = torch.ones(4, 2)
    settings = {f"unet.{key}": dict.fromkeys(patterns, 2) for key in ("rank_pattern", "alpha_pattern")}
    header = json.dumps({"unet.r": 2, "unet.lora_alpha": 2, **settings})
    save_file(tensors, path, metadata={"lora_adapter_metadata": header})
    return path


NAMES = [f"mid_block.{'a.' * 85}{number}" for number in range(200)]
"""Each with 87 starts for a pattern."""
HOSTILE = {
    "three repetitions": [f".*.*.*x{number}" for number in range(250)],
    "one repetition": [f".*a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.x{number}" for number in range(250)],
    "choices": [f"{'(a.|a.)' * 9}x{number}" for number in range(250)],
    "plain": [f"{'a.' * 80}x{number}" for number in range(250)],
    "two with repetitions": [f".*{'a.' * 80}x{number}" for number in range(2)],
    "one of many choices": [f"{'(a.|a.)' * 7}x"],
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_file_of_patterns_runs_for_long(kind: str, tmp_path: Path) -> None:
    """A few seconds at most, accepted or refused; unbounded, the first would run for hours."""
    path = written(tmp_path / "a.safetensors", HOSTILE[kind], NAMES)
    started = time.process_time()
    with suppress(UserError):
        read_weights(path)
    assert time.process_time() - started < 15


@pytest.mark.parametrize("kind", ["one repetition", "choices"])
def test_allowed_patterns_that_are_too_many_together_are_a_sentence(kind: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="would take too long; name the modules plainly"):
        read_weights(written(tmp_path / "a.safetensors", HOSTILE[kind], NAMES))
