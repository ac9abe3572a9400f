"""Natural-language captions by BLIP, one sentence per picture.

Size, mean and std come from the model's own processor (384 px, squashed, not cropped); the lengths
count tokens including the prompt, as in Salesforce's code that AUTOMATIC1111 calls (modules/interrogate.py).
"""

from pathlib import Path
from threading import Lock
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import (
    AutoTokenizer,
    BlipForConditionalGeneration,
    BlipImageProcessorPil,
    PreTrainedTokenizerBase,
)

from pipeline.captions.interrogation import About, stacked
from pipeline.device import best_device, make_repeatable
from pipeline.schemas import TagConfig
from pipeline.vision.pretrained import WHOLE_FOLDER, loading, moved, pretrained, pretrained_model


class Blip:
    """Writes captions. `folder` holds a BlipForConditionalGeneration as transformers saves it."""

    stack = staticmethod(stacked)

    def __init__(self, folder: Path, config: TagConfig) -> None:
        make_repeatable()
        self.device = best_device()
        self.pictures, self.tokenizer, network = _load(folder)
        self.network = moved(network, self.device)
        self.about = About("blip", "squash-by-processor", int(self.pictures.size["height"]))
        self.together = 1 if self.device.type == "cpu" else config.batch
        self.prompt = self.tokenizer(config.sentence_prompt).input_ids if config.sentence_prompt else None
        self.options: dict[str, Any] = {
            "do_sample": False,
            "num_beams": config.num_beams,
            "min_length": config.min_length,
            "max_length": config.max_length,
        }
        self._turn = Lock()

    def prepare(self, picture: Image.Image) -> NDArray[np.float32]:
        """[3, side, side] for one RGB picture."""
        x: NDArray[np.float32] = self.pictures(picture, return_tensors="np")["pixel_values"][0]
        return x

    def answers(self, x: NDArray[np.float32]) -> list[str]:
        """A sentence for each of [n, 3, side, side], without the prompt."""
        pixels = torch.from_numpy(x).to(self.device)
        ids = None if self.prompt is None else torch.tensor([self.prompt] * len(x), device=self.device)
        with self._turn, torch.inference_mode():
            written = self.network.generate(
                pixel_values=pixels, input_ids=cast("torch.LongTensor | None", ids), **self.options
            )
        # generate() drops the prompt's last token, an end-of-text token.
        start = 1 if ids is None else ids.shape[1] - 1
        texts = self.tokenizer.batch_decode(written[:, start:].cpu(), skip_special_tokens=True)
        return [" ".join(text.split()) for text in texts]


def _load(
    folder: Path,
) -> tuple[BlipImageProcessorPil, PreTrainedTokenizerBase, BlipForConditionalGeneration]:
    with loading(f"tag.sentence_model {folder}: not a BLIP folder", WHOLE_FOLDER):
        kinds = (BlipImageProcessorPil, AutoTokenizer)
        model = pretrained_model(BlipForConditionalGeneration, folder)
        return (*(pretrained(kind, folder) for kind in kinds), model)
