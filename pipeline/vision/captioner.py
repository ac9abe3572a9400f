"""Captions by vision-language models: Florence-2, Qwen-VL, LLaVA (JoyCaption), and whatever else transformers
has as image-text-to-text.

Greedy, or by beams, so that the same picture has the same text. On a CPU one picture per call; on a GPU a
batch is padded on the left, as generation needs it.
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
from pipeline.captions.interrogation import About
from pipeline.captions.written_text import tidy_answer
from pipeline.device import best_device, make_repeatable
from pipeline.errors import UserError
from pipeline.files.damage import is_full_device
from pipeline.files.safetensors_file import PRECISIONS
from pipeline.schemas import TagConfig
from pipeline.vision.model_prompt import model_prompt
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


class Captioner:
    """`folder` holds a model as transformers saves it."""

    def __init__(self, folder: Path, config: TagConfig) -> None:
        make_repeatable()
        self.device, self.config = best_device(), config
        self.dtype = PRECISIONS[config.captioner_dtype]
        self.processor, network = _load(folder, self.dtype)
        if config.captioner_weights == "int8":
            in_eight_bits([network], self.dtype, NOT_TURNED)
        with _saying_what_fits():
            self.network = moved(network, self.device)
        self.writes_on = not network.config.is_encoder_decoder
        if self.writes_on:
            self.processor.tokenizer.padding_side = "left"
        self.about = About(network.config.model_type, "own-processor", 0)
        self.together = 1 if self.device.type == "cpu" else config.captioner_batch
        self._turn = Lock()

    def texts(self, prompt: str, pictures: Sequence[Image.Image]) -> list[str]:
        """A text for each RGB picture, on one line."""
        text = model_prompt(self.processor, self.about.layout, prompt, self.config.captioner_system)
        with self._turn, _saying_what_fits(), torch.inference_mode():
            inputs = self._inputs(text, pictures)
            written = self.network.generate(
                **inputs,
                do_sample=False,
                num_beams=self.config.captioner_num_beams,
                max_new_tokens=self.config.captioner_max_tokens,
            )
        start = _first_new(written, inputs["input_ids"]) if self.writes_on else 1
        return [self._read(row) for row in written[:, start:].cpu()]

    def _inputs(self, text: str, pictures: Sequence[Image.Image]) -> dict[str, Tensor]:
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

    def _read(self, row: Tensor) -> str:
        """The words of the new tokens; one that has no end was cut off by the limit."""
        ends = self.network.generation_config.eos_token_id
        listed = ends if isinstance(ends, list) else [ends]
        text = self.processor.tokenizer.decode(row, skip_special_tokens=True)
        return tidy_answer(text, is_cut=not set(row.tolist()) & set(listed))


class OnePrompt:
    """A captioner that answers one prompt."""

    def __init__(self, captioner: Captioner, prompt: str) -> None:
        self.captioner, self.prompt = captioner, prompt
        self.about, self.together = captioner.about, captioner.together

    def prepare(self, picture: Image.Image) -> Image.Image:
        """Models take pictures of any shape, so the processor gets them whole."""
        return picture

    def stack(self, prepared: Sequence[Image.Image]) -> list[Image.Image]:
        return list(prepared)

    def answers(self, x: Sequence[Image.Image]) -> list[str]:
        return self.captioner.texts(self.prompt, x)


@contextmanager
def _saying_what_fits() -> Iterator[None]:
    """A card that is too small is a user error."""
    try:
        yield
    except RuntimeError as error:
        if not is_full_device(error):
            raise
        raise UserError(
            "tag.captioner does not fit the card's memory; set tag.captioner_weights to int8,"
            " tag.captioner_batch to 1 and tag.captioner_max_side_px lower, or use a smaller model"
        ) from None


def _first_new(written: Tensor, asked: Tensor) -> int:
    """Where the new tokens begin: after the prompt; BLIP drops the prompt's end and puts its own start in
    place; some models give the new tokens alone.
    """
    num = asked.shape[1]
    if torch.equal(written[:, :num], asked):
        return num
    return num - 1 if num > 2 and torch.equal(written[:, 1 : num - 1], asked[:, 1:-1]) else 0


def _load(folder: Path, dtype: torch.dtype) -> tuple[Any, Any]:
    with loading(f"tag.captioner {folder}: not a vision-language model", VLM_FOLDER):
        return picture_processor(folder), pretrained_model(AutoModelForImageTextToText, folder, dtype)
