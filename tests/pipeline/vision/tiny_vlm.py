"""Random vision-language models of a few pixels and words, saved as transformers saves them: Florence-2,
Qwen2-VL, and LLaVA with JoyCaption's chat template, which takes plain texts and places the picture itself.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    CLIPImageProcessorPil,
    Florence2Config,
    Florence2ForConditionalGeneration,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    SiglipImageProcessorPil,
)

VLM_WORDS = [
    "What", "does", "the", "image", "describe", "?", "this", "picture", "in", "one", "sentence", "a", "red",
    "green", "blue", "cat", "dog", "house", "tree", "on", "grass", "sky", "with", "light", "zib", ".", ",",
]  # fmt: skip
SPECIAL = ["<pad>", "<unk>", "<s>", "</s>", "<image>", "<|vision_start|>", "<|vision_end|>", "<video>"]
NUM_WORDS = len(SPECIAL) + len(VLM_WORDS)
QWEN_TEMPLATE = """\
{% for message in messages %}{% if message.content is string %}{{ raise_exception('parts') }}{% endif %}\
<s>{{ message.role }} {% for part in message.content %}{% if part.type == 'image' %}\
<|vision_start|><image><|vision_end|>{% else %}{{ part.text }}{% endif %}{% endfor %} {% endfor %}"""
JOY_TEMPLATE = """\
<s>{% for message in messages %}{{ message.role }} {% if message.role == 'user' %}<image>{% endif %}\
{{ message.content | trim }} {% endfor %}"""


def write_florence(folder: Path) -> Path:
    folder.mkdir(parents=True)
    vision = {
        "depths": [1, 1, 1, 1], "embed_dim": [8, 8, 16, 16], "num_heads": [2, 2, 2, 2],
        "num_groups": [2, 2, 2, 2], "window_size": 4, "projection_dim": 16, "initializer_range": 0.6,
    }  # fmt: skip
    text = {
        "vocab_size": NUM_WORDS, "d_model": 16, "encoder_layers": 1, "decoder_layers": 1,
        "encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 16,
        "decoder_ffn_dim": 16, "max_position_embeddings": 64, "init_std": 1.0, "pad_token_id": 0,
        "bos_token_id": 2, "eos_token_id": 3, "decoder_start_token_id": 3, "forced_eos_token_id": None,
    }  # fmt: skip
    config = Florence2Config(vision_config=vision, text_config=text, image_token_id=4)
    _save(folder, Florence2ForConditionalGeneration, config)
    CLIPImageProcessorPil(
        size={"height": 64, "width": 64}, crop_size={"height": 64, "width": 64}, do_center_crop=False
    ).save_pretrained(folder)
    _finish(folder, "Florence2Processor", image_seq_length=5)
    return folder


def write_qwen(folder: Path) -> Path:
    """Qwen2-VL."""
    _write_qwen(
        folder, Qwen2VLForConditionalGeneration, Qwen2VLConfig, embed_dim=32, hidden_size=64, mlp_ratio=2
    )
    _finish(folder, "Qwen2VLProcessor", QWEN_TEMPLATE, video_token="<video>")
    return folder


def write_newer_qwen(folder: Path) -> Path:
    """Qwen2.5-VL, which looks in windows."""
    vision = {"hidden_size": 32, "out_hidden_size": 64, "intermediate_size": 64, "window_size": 56}
    kinds = (Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLConfig)
    _write_qwen(folder, *kinds, **vision, fullatt_block_indexes=[1])
    _finish(folder, "Qwen2_5_VLProcessor", QWEN_TEMPLATE, video_token="<video>")
    return folder


def _write_qwen(folder: Path, model: Any, config: Any, **vision: Any) -> None:
    folder.mkdir(parents=True)
    text = {
        "vocab_size": NUM_WORDS, "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 8, "num_key_value_heads": 2, "initializer_range": 1.0, "bos_token_id": None,
        "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0},
        "eos_token_id": 3, "pad_token_id": 0,
    }  # fmt: skip
    places = {
        "image_token_id": 4, "video_token_id": 7, "vision_start_token_id": 5, "vision_end_token_id": 6,
    }  # fmt: skip
    seeing = {"depth": 2, "num_heads": 2, "patch_size": 14, **vision}
    _save(folder, model, config(text_config=text, vision_config=seeing, **places))
    Qwen2VLImageProcessorPil(min_pixels=28 * 28, max_pixels=28 * 28 * 16).save_pretrained(folder)


def write_joycaption(folder: Path) -> Path:
    folder.mkdir(parents=True)
    vision = {
        "model_type": "siglip_vision_model", "hidden_size": 32, "intermediate_size": 32,
        "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 28, "patch_size": 14,
    }  # fmt: skip
    text = {
        "model_type": "llama", "vocab_size": NUM_WORDS, "hidden_size": 64, "intermediate_size": 64,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 1.0,
        "bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0,
    }  # fmt: skip
    config = LlavaConfig(
        vision_config=vision, text_config=text, image_token_index=4, vision_feature_layer=-2,
        vision_feature_select_strategy="full",
    )  # fmt: skip
    _save(folder, LlavaForConditionalGeneration, config)
    SiglipImageProcessorPil(size={"height": 28, "width": 28}).save_pretrained(folder)
    settings = {
        "processor_class": "LlavaProcessor", "patch_size": 14, "image_token": "<image>",
        "vision_feature_select_strategy": "full",
    }  # fmt: skip
    (folder / "processor_config.json").write_text(json.dumps(settings))
    _finish(folder, "LlavaProcessor", JOY_TEMPLATE, begins=True)
    return folder


def _save(folder: Path, kind: Any, config: Any) -> None:
    torch.manual_seed(2)
    model = kind(config)
    # Published models ask for chance, which captions must not have.
    model.generation_config.update(eos_token_id=3, pad_token_id=0, do_sample=True, temperature=0.7)
    model.save_pretrained(folder)


def _finish(folder: Path, processor: str, template: str | None = None, **settings: Any) -> None:
    """The tokenizer, and the processor's name, as published folders have them."""
    tokenizer = _tokenizer(settings.pop("video_token", None), settings.pop("begins", False))
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "processor_class": processor, **settings}))


def _tokenizer(video_token: str | None, begins: bool) -> PreTrainedTokenizerFast:
    """begins: it puts <s> before every text, as Llama's does."""
    words: Sequence[str] = [*SPECIAL, *VLM_WORDS]
    model = models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>")
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if begins:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 2)])
    more = {"image_token": "<image>"} | ({"video_token": video_token} if video_token else {})
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>", bos_token="<s>", eos_token="</s>",
        additional_special_tokens=SPECIAL[5:7], extra_special_tokens=more,
    )  # fmt: skip
