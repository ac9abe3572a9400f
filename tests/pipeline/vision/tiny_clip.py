"""A random CLIP model of 32 pixels and a vocabulary of some words, saved as transformers saves them."""

from pathlib import Path

import torch
from transformers import BertTokenizer, CLIPConfig, CLIPImageProcessorPil, CLIPModel

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "green", "cat", "dog"]


def write_clip(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    tokenizer = BertTokenizer(str(folder / "vocab.txt"), model_max_length=8)
    tokenizer.save_pretrained(folder)
    plain = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**plain, "vocab_size": len(WORDS), "max_position_embeddings": 8, "eos_token_id": 3}
    text |= {"bos_token_id": 2, "pad_token_id": 0}
    vision = {**plain, "image_size": 32, "patch_size": 8}
    torch.manual_seed(3)
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)).save_pretrained(folder)
    square = {"height": 32, "width": 32}
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=square).save_pretrained(folder)
    return folder
