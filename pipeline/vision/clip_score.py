"""CLIPScore, how well pictures fit their prompts (Hessel et al. 2021, arXiv 2104.08718), 100 max(cos, 0)."""

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from transformers import AutoTokenizer, CLIPImageProcessorPil, CLIPModel, PreTrainedTokenizerBase

from pipeline.device import best_device
from pipeline.errors import UserError
from pipeline.vision.pretrained import WHOLE_FOLDER, loading, moved, pretrained, pretrained_model

VERSION = 1
"""Of the algorithm: raise it when scores change."""


class ClipScorer:
    """`folder` holds a CLIPModel as transformers saves it. Prompts longer than the model's limit are cut."""

    def __init__(self, folder: Path) -> None:
        self.device = best_device()
        self.pictures, self.tokenizer, model = _load(folder)
        self.model = moved(model, self.device)

    @torch.inference_mode()
    def scores(self, pictures: Sequence[Image.Image], prompts: Sequence[str]) -> list[float]:
        """A score of 0-100 for each picture and its prompt."""
        pixels = self.pictures([each.convert("RGB") for each in pictures], return_tensors="pt")
        words = self.tokenizer(list(prompts), padding=True, truncation=True, return_tensors="pt")
        output = self.model(**pixels.to(self.device), **words.to(self.device))
        cosines = (output.image_embeds * output.text_embeds).sum(dim=-1)
        if not torch.isfinite(cosines).all():
            raise UserError("sample_grid.clip gives numbers that are not finite; fetch the model again")
        return [100 * max(float(cosine), 0.0) for cosine in cosines]


def _load(folder: Path) -> tuple[CLIPImageProcessorPil, PreTrainedTokenizerBase, CLIPModel]:
    with loading(f"sample_grid.clip {folder}: not a CLIP folder", WHOLE_FOLDER):
        kinds = (CLIPImageProcessorPil, AutoTokenizer)
        return (*(pretrained(kind, folder) for kind in kinds), pretrained_model(CLIPModel, folder))
