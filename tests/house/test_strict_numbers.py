"""Numbers in text from strangers: what Python alone would take, or answer with its own limits, is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from pipeline.bases.origins import Held
from pipeline.bases.registry import family
from pipeline.config.ranges import reals, wholes
from pipeline.config.recipes import varied
from pipeline.errors import UserError
from pipeline.files.json_text import parse_json
from pipeline.merging.__main__ import main as merging
from pipeline.number_text import is_index
from pipeline.pictures.folder_names import concept_of
from pipeline.prompts.network_tags import split_tags
from pipeline.schemas.stairs import stairs_of
from pipeline.store.items import trim_if_grown

LONG = "9" * 5000
ARABIC = "\u0662"


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (stairs_of, "1_0:20, 1"),
        (stairs_of, f"0.1:{LONG}"),
        (stairs_of, f"0.1:{ARABIC}"),
        (split_tags, "<lora:zib:0_8>"),
        (split_tags, f"<lora:zib:{ARABIC}>"),
        (split_tags, f"<lora:zib:{'x' * 1500}>"),
        (split_tags, "<lora:zib:1:unet=1_0>"),
        (wholes, ARABIC),
        (reals, f"1-{ARABIC}"),
        (parse_json, f'{{"a": {LONG}}}'),
    ],
)
def test_a_number_that_no_tool_writes_is_refused_in_few_words(read: Callable[[str], Any], text: str) -> None:
    with pytest.raises((UserError, ValueError)) as error:
        read(text)
    assert len(str(error.value)) < 250
    assert "set_int_max_str_digits" not in str(error.value)


def test_weights_of_tags_are_read_as_before() -> None:
    [tag] = split_tags("<lora:zib:0.5: 0.8 >")[1]
    assert (tag.weight, tag.unet_weight) == (0.5, 0.8)
    [tag] = split_tags("<lora:zib:te=.25>")[1]
    assert (tag.weight, tag.unet_weight) == (0.25, 0.25)
    [tag] = split_tags("<lora:zib:-1:unet=1e-1>")[1]
    assert (tag.weight, tag.unet_weight) == (-1.0, 0.1)


@pytest.mark.parametrize("place", ["\u00b2", ARABIC, LONG, "-1"])
def test_a_place_in_a_list_is_of_ascii_digits(place: str) -> None:
    """`\u00b2` is a digit to isdigit(), and none to int()."""
    assert not is_index(place)
    with pytest.raises(UserError, match="has no"):
        varied({"merge": [{"alpha": 1.0}]}, {f"merge.{place}.alpha": 0.5})


def test_the_stores_limit_is_a_plain_number(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ATHANOR_STORE", str(tmp_path))
    monkeypatch.setattr("pipeline.store.items._put_bytes", 1)
    for text in ("1_0", ARABIC, "inf", "-1"):
        monkeypatch.setenv("ATHANOR_STORE_GIB", text)
        with pytest.raises(UserError, match="must be a number of gibibytes"):
            trim_if_grown()


def test_a_weights_name_with_thousands_of_digits_is_a_strangers(tmp_path: Path) -> None:
    name = f"input_blocks.{LONG}.0.x.weight"
    assert family("sd1").held(f"model.diffusion_model.{name}") == [("unet", Held(name))]
    module = f"lora_unet_input_blocks_{LONG}_1_proj_in"
    weights = {
        f"{module}.lora_up.weight": torch.ones(4, 2),
        f"{module}.lora_down.weight": torch.ones(2, 4),
        f"{module}.alpha": torch.tensor(2.0),
    }
    save_file(weights, tmp_path / "a.safetensors")
    merging(
        ["resize", str(tmp_path / "a.safetensors"), "--rank", "1", "--out", str(tmp_path / "b.safetensors")]
    )
    assert (tmp_path / "b.safetensors").is_file()


def test_a_folders_repeats_are_ascii_digits() -> None:
    assert concept_of(["pictures", f"{ARABIC}_woman"], 3) == (f"{ARABIC}_woman", 3, ())
