"""What libraries raise over damaged bytes, as one sentence that names the file.

Readers of others (torch, safetensors, tokenizers, onnxruntime, Pillow, pyarrow, diffusers, transformers) each
answer a changed byte with dozens of kinds of errors, plain `Exception` and Rust's panics among them.
"""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import UserError

OF_THE_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS, errno.EMFILE)
"""Errors of files that tell nothing of what is in them."""

ADVICE = (
    "weights_only", "weights only", "Weights only", "trust", "add_safe_globals", "allow_pickle",
    "two options", "arbitrary code", "recommended steps", "documentation",
)  # fmt: skip
"""Words of advice to run a stranger's code."""


@contextmanager
def damage_told(problem: str, cure: str = "it may be damaged or cut short: fetch it again") -> Iterator[None]:
    """Whatever fails within is a user error: `problem` names the file; the reason and `cure` follow. Only a
    library's reader belongs within, no work of ours.
    """
    try:
        yield
    except UserError:
        raise
    except BaseException as error:
        if not is_of_the_file(error):
            raise
        raise UserError(f"{problem} ({reason_of(error)}); {cure}") from error


def is_of_the_file(error: BaseException) -> bool:
    """Whether it tells of what is in a file, not of this machine."""
    if isinstance(error, OSError) and error.errno in OF_THE_MACHINE:
        return False
    if type(error).__name__ == "OutOfMemoryError":  # the accelerator's; torch is not loaded here
        return False
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def reason_of(error: BaseException) -> str:
    """The first sentence of a library's message, without its advice to read the file in an unsafe way."""
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is"
    sentences = re.split(r"(?<=[.!?])\s|\n", str(error)[:20_000])
    told = (" ".join(each.split()) for each in sentences if not any(word in each for word in ADVICE))
    return escaped(next(filter(None, told), type(error).__name__)[:200])


def escaped(text: str) -> str:
    """With control characters, which a file may put into a message, as they are written."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
