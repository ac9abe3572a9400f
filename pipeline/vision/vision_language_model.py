"""A vision-language model that transformers has as image-text-to-text (Florence-2, Qwen-VL, LLaVA and others)
and its processor, opened from a folder.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import AutoModelForImageTextToText

from pipeline.bases.eight_bits import KEPT, in_eight_bits
from pipeline.device import best_device, make_repeatable
from pipeline.errors import UserError
from pipeline.files.damage import is_full_device
from pipeline.files.safetensors_file import PRECISIONS
from pipeline.vision.picture_processor import picture_processor
from pipeline.vision.pretrained import loading, moved, pretrained_model

VLM_FOLDER = (
    "config.json, .safetensors, preprocessor_config.json and the tokenizer's files, of a model that"
    " transformers itself has (code that comes with a model is never run; Florence-2: florence-community's)"
)
NOT_TURNED = (*KEPT, "visual", "vision_tower", "vision_model", "multi_modal_projector", "lm_head")
"""What stays whole in 8 bits: what sees, which is small and asks its weights for their type, and the
words.
"""


class VisionLanguageModel:
    """`key`: the setting that names `folder`, which holds a model as transformers saves it; `dtype`: fp32,
    bf16 or fp16; `weights`: same or int8; `cure`: how to make it fit a card.
    """

    def __init__(self, folder: Path, key: str, dtype: str, weights: str, cure: str) -> None:
        make_repeatable()
        self.key, self.cure = key, cure
        self.device, self.dtype = best_device(), PRECISIONS[dtype]
        self.processor, network = self._load(folder)
        if weights == "int8":
            in_eight_bits([network], self.dtype, NOT_TURNED)
        with self.saying_what_fits():
            self.network = moved(network, self.device)
        self.writes_on = not network.config.is_encoder_decoder
        if self.writes_on:
            self.processor.tokenizer.padding_side = "left"
        self.turn = Lock()

    @property
    def layout(self) -> str:
        """The model's kind, by transformers' name."""
        return str(self.network.config.model_type)

    def generated(self, text: str, pictures: Sequence[Image.Image], **options: Any) -> tuple[Any, Tensor]:
        """What `generate` returns for the prompt `text` and each RGB picture, never by chance; and the ids
        [pictures, tokens] that it got.
        """
        with self.turn, self.saying_what_fits(), torch.inference_mode():
            inputs = self.inputs(text, pictures)
            return self.network.generate(**inputs, do_sample=False, **options), inputs["input_ids"]

    def inputs(self, text: str, pictures: Sequence[Image.Image]) -> dict[str, Tensor]:
        """The processor's, on the device, numbers in the model's type. The prompt's own start of text, if it
        has one, is the only one.
        """
        tokenizer, several = self.processor.tokenizer, len(pictures) > 1
        if several and tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        begins = bool(tokenizer.bos_token and text.startswith(tokenizer.bos_token))
        made = self.processor(
            text=[text] * len(pictures),
            images=[[picture] for picture in pictures],
            padding=several,
            return_tensors="pt",
            **({"add_special_tokens": False} if begins else {}),
        )
        return {
            name: value.to(self.device, self.dtype if value.is_floating_point() else value.dtype)
            for name, value in made.items()
            if isinstance(value, Tensor)
        }

    @contextmanager
    def saying_what_fits(self) -> Iterator[None]:
        """A card that is too small is a user error."""
        try:
            yield
        except RuntimeError as error:
            if not is_full_device(error):
                raise
            raise UserError(f"{self.key} does not fit the card's memory; {self.cure}") from None

    def _load(self, folder: Path) -> tuple[Any, Any]:
        with loading(f"{self.key} {folder}: not a vision-language model", VLM_FOLDER):
            return picture_processor(folder), pretrained_model(
                AutoModelForImageTextToText, folder, self.dtype
            )
