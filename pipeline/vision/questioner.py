"""Yes or no about pictures by a vision-language model: how likely it begins its answer with yes, given that
it begins with yes or no.

    P(yes) = sum_y exp(l_y) / (sum_y exp(l_y) + sum_n exp(l_n))

l: logits of the answer's first token; y, n: the spellings of yes and no that are one token. One pass a
picture and question, and finer than the word it would write (as VQAScore, Lin et al. 2024, arXiv 2404.01291).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from pipeline.errors import UserError
from pipeline.schemas import VisionConfig
from pipeline.vision.model_prompt import FLORENCE, model_prompt
from pipeline.vision.questioner_model import QUESTIONER
from pipeline.vision.vision_language_model import VisionLanguageModel

_CURE = "set vision.questioner_weights to int8 and vision.batch to 1, or use a smaller model"
_PROMPT = "{question} Please answer yes or no."
YES, NO = ("Yes", "yes", " Yes", " yes"), ("No", "no", " No", " no")


@dataclass(frozen=True)
class YesShare:
    """`yes`: P(yes), 0-1; `said`: how likely its answer begins with yes or no at all, 0-1."""

    yes: float
    said: float


class Questioner(VisionLanguageModel):
    """`folder` holds a model as transformers saves it."""

    def __init__(self, folder: Path, config: VisionConfig) -> None:
        super().__init__(folder, QUESTIONER, config.questioner_dtype, config.questioner_weights, _CURE)
        if self.layout == FLORENCE:
            raise UserError(
                f"{QUESTIONER} {folder}: Florence-2 takes only task tokens, no questions; use a model that"
                " answers them, such as Qwen-VL or LLaVA"
            )
        self.yes, self.no = answer_tokens(self.processor.tokenizer)
        self.together = 1 if self.device.type == "cpu" else config.batch

    def answers(self, question: str, pictures: Sequence[Image.Image]) -> list[YesShare]:
        """Of each picture."""
        text = model_prompt(self.processor, self.layout, _PROMPT.format(question=question), None, QUESTIONER)
        found = list[YesShare]()
        for start in range(0, len(pictures), self.together):
            some = [each.convert("RGB") for each in pictures[start : start + self.together]]
            made, _ = self.generated(
                text, some, num_beams=1, max_new_tokens=1, return_dict_in_generate=True, output_logits=True
            )
            found += yes_shares(made.logits[0], self.yes, self.no)
        if not all(isfinite(each.yes) and isfinite(each.said) for each in found):
            raise UserError(
                f"{QUESTIONER} gives numbers that are not finite; set vision.questioner_dtype to bf16 or"
                " fp32, or fetch the model again"
            )
        return found


def yes_shares(logits: Tensor, yes: Sequence[int], no: Sequence[int]) -> list[YesShare]:
    """Of each row of [pictures, tokens]. `yes`, `no`: the tokens' ids."""
    x = logits.double().cpu()
    for_yes, for_no = (torch.logsumexp(x[:, list(ids)], dim=1) for ids in (yes, no))
    both = torch.logaddexp(for_yes, for_no)
    said = (both - torch.logsumexp(x, dim=1)).exp()
    shares = zip((for_yes - both).exp().tolist(), said.tolist(), strict=True)
    return [YesShare(*each) for each in shares]


def answer_tokens(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Ids of the spellings of yes, and of no, that are one token. A user error if there are none."""
    yes, no = (sorted({*_single(tokenizer, texts)}) for texts in (YES, NO))
    if not yes or not no or set(yes) & set(no):
        raise UserError(
            f"{QUESTIONER}: its tokenizer has no token of its own for yes and for no; use another model"
        )
    return yes, no


def _single(tokenizer: Any, texts: Sequence[str]) -> list[int]:
    each = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    return [ids[0] for ids in each if len(ids) == 1 and ids[0] != tokenizer.unk_token_id]
