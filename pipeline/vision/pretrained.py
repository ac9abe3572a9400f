"""Parts of a model from a folder as transformers saves it: from this disk alone, weights from .safetensors
alone, a folder that does not load as a user error.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn
from transformers.utils import logging

from pipeline.errors import UserError
from pipeline.files.damage import reason_of

WHOLE_FOLDER = "config.json, model.safetensors, preprocessor_config.json and the tokenizer's files"
PretrainedModel = TypeVar("PretrainedModel", bound=nn.Module)
logging.set_verbosity_error()
logging.disable_progress_bar()


def pretrained(kind: Any, folder: Path) -> Any:
    """A processor or tokenizer of the class `kind`."""
    return kind.from_pretrained(folder, local_files_only=True)


def pretrained_model(kind: Any, folder: Path, dtype: torch.dtype = torch.float32) -> Any:
    """A model of the class `kind`, which does not learn. Code that comes with it is never run."""
    model = kind.from_pretrained(
        folder, dtype=dtype, use_safetensors=True, local_files_only=True, trust_remote_code=False
    )
    return model.eval().requires_grad_(False)


def moved(model: PretrainedModel, device: torch.device) -> PretrainedModel:
    """The model on the device. transformers' own annotation of `to` lacks the model."""
    return model.to(device)


@contextmanager
def loading(what: str, needed: str) -> Iterator[None]:
    """Whatever fails inside is a user error: `what` names setting, folder and kind, `needed` the files."""
    try:
        yield
    except Exception as error:  # what transformers, tokenizers and safetensors raise is of any kind
        raise UserError(f"{what} of transformers that loads ({reason_of(error)}); wanted: {needed}") from None
