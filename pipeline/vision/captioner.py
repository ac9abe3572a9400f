"""Captions by vision-language models: Florence-2, Qwen-VL, LLaVA (JoyCaption), and whatever else transformers
has as image-text-to-text.

Greedy, or by beams, so that the same picture has the same text. On a CPU one picture per call; on a GPU a
batch is padded on the left, as generation needs it.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from pipeline.captions.interrogation import About
from pipeline.captions.written_text import tidy_answer
from pipeline.schemas import TagConfig
from pipeline.vision.model_prompt import model_prompt
from pipeline.vision.vision_language_model import VisionLanguageModel

_KEY = "tag.captioner"
_CURE = (
    "set tag.captioner_weights to int8, tag.captioner_batch to 1 and tag.captioner_max_side_px lower, or use"
    " a smaller model"
)


class Captioner(VisionLanguageModel):
    """`folder` holds a model as transformers saves it."""

    def __init__(self, folder: Path, config: TagConfig) -> None:
        super().__init__(folder, _KEY, config.captioner_dtype, config.captioner_weights, _CURE)
        self.config = config
        self.about = About(self.layout, "own-processor", 0)
        self.together = 1 if self.device.type == "cpu" else config.captioner_batch

    def texts(self, prompt: str, pictures: Sequence[Image.Image]) -> list[str]:
        """A text for each RGB picture, on one line."""
        text = model_prompt(self.processor, self.layout, prompt, self.config.captioner_system, _KEY)
        written, asked = self.generated(
            text,
            pictures,
            num_beams=self.config.captioner_num_beams,
            max_new_tokens=self.config.captioner_max_tokens,
        )
        start = _first_new(written, asked) if self.writes_on else 1
        return [self._read(row) for row in written[:, start:].cpu()]

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


def _first_new(written: Tensor, asked: Tensor) -> int:
    """Where the new tokens begin: after the prompt; BLIP drops the prompt's end and puts its own start in
    place; some models give the new tokens alone.
    """
    num = asked.shape[1]
    if torch.equal(written[:, :num], asked):
        return num
    return num - 1 if num > 2 and torch.equal(written[:, 1 : num - 1], asked[:, 1:-1]) else 0
