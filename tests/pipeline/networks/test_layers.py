from collections import Counter
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from pipeline.bases.base import Base
from pipeline.bases.registry import family
from pipeline.bases.tokenizers import make_tokenizer
from pipeline.errors import UserError
from pipeline.networks.algorithms import ALGORITHMS
from pipeline.networks.layers import TargetLayer, target_layers
from tests.pipeline.networks.examples import network_config

with torch.device("meta"):
    PARTS = {
        "unet": UNet2DConditionModel.from_config(family("sd1").configs["unet"]),
        "text_encoder": CLIPTextModel(CLIPTextConfig(**family("sd1").configs["text_encoder"])),
    }
BASE = Base(family("sd1"), make_tokenizer(None), PARTS, family("sd1").configs)
DOWN = "lora_unet_down_blocks_"


def found(name: str = "lora", **changes: Any) -> dict[str, TargetLayer]:
    return target_layers(network_config(name, **changes), ALGORITHMS[name], BASE)


def test_how_many_layers_sd15_gives_to_each_algorithm() -> None:
    """sd-scripts: 192 and 72; LoCon adds 3 layers in each of 22 Res blocks, 14 shortcuts, 6 resamplings. IA3:
    keys and values of 32 attentions and 16 MLPs; of 12 text layers each.
    """
    counts = {name: len(found(name)) for name in ALGORITHMS}
    assert counts == {
        "lora": 264,
        "locon": 264 + 3 * 22 + 14 + 6,
        "loha": 264,
        "lokr": 264,
        "ia3": 2 * 32 + 16 + 3 * 12,
        "dylora": 264,
    }


def test_include_names_other_layers_than_an_algorithms_own() -> None:
    own = found("ia3")
    assert set(found("ia3", include=["_to_[kv]$"])) == {
        name for name in own if name.endswith(("to_k", "to_v"))
    }
    queries = found("ia3", include=["_to_q$"])
    assert len(queries) == 32
    assert not set(queries) & set(own)


def test_kernels_have_their_own_dim_and_alpha() -> None:
    made = found("locon", dim=32, alpha=16.0, conv_dim=8, conv_alpha=4.0)
    expected = {
        "0_resnets_0_conv1": (8, 4.0),
        "0_resnets_0_time_emb_proj": (32, 16.0),
        "1_resnets_0_conv_shortcut": (32, 16.0),
        "0_downsamplers_0_conv": (8, 4.0),
        "0_attentions_0_proj_in": (32, 16.0),
    }
    settings = {name: made[DOWN + name].settings for name in expected}
    assert {name: (each.dim, each.alpha) for name, each in settings.items()} == expected
    assert found("locon", conv_alpha=None)[DOWN + "0_resnets_0_conv1"].settings.alpha == 16


def test_blocks_have_their_own_dim_alpha_and_rate() -> None:
    made = found(
        "locon",
        dim=32,
        conv_dim=8,
        conv_alpha=4.0,
        block_dims={"IN01": 16, "IN02": 0},
        block_alphas={"IN01": 4.0},
        block_rates={"IN04": 0.5, "M00": 0.0},
    )
    first = made[DOWN + "0_attentions_0_proj_in"]
    assert (first.settings.dim, first.settings.alpha, first.lr_factor) == (16, 4.0, 1.0)
    kernel = made[DOWN + "0_resnets_0_conv1"].settings
    assert (kernel.dim, kernel.alpha) == (4, 1.0)
    assert made[DOWN + "1_attentions_0_proj_in"].lr_factor == 0.5
    assert not [name for name in made if name.startswith((DOWN + "0_attentions_1", "lora_unet_mid"))]
    text = made["lora_te_text_model_encoder_layers_0_mlp_fc1"]
    assert (text.settings.dim, text.settings.alpha, text.lr_factor) == (32, 16.0, 1.0)


def test_a_shape_of_dims_is_rounded() -> None:
    dims = {
        place.settings.dim for name, place in found(block_dims="linear", dim=24).items() if "unet" in name
    }
    # Blocks with attention: IN01, 02, 04, 05, 07, 08, M00, OUT03-11; dim 24 over 24 steps.
    assert dims == {1, 2, 4, 5, 7, 8, 12, *range(16, 25)}


def test_rslora_scales_by_the_root_of_dim() -> None:
    settings = found(dim=16, alpha=4.0, rslora=True)[DOWN + "0_attentions_0_proj_in"].settings
    assert settings.alpha / settings.dim == 4 / 16**0.5


def test_filters_by_regular_expression() -> None:
    names = found(include=["attn2", "^lora_te_"], exclude=["_to_out_0$", "layers_11_"])
    kinds = Counter("text" if name.startswith("lora_te") else "unet" for name in names)
    assert kinds == {"unet": 16 * 3, "text": 11 * 6}


def test_no_layer_left_is_told() -> None:
    with pytest.raises(UserError, match=r"network.include \['nothing'\] and exclude \[\] leave no layer"):
        found(include=["nothing"])
