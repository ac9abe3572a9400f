"""What libraries raise over damaged bytes, as one sentence that names the file.

Readers of others (torch, safetensors, tokenizers, onnxruntime, Pillow, pyarrow, diffusers, transformers) each
answer a changed byte with dozens of kinds of errors, plain `Exception` and Rust's panics among them.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import UserError

OF_THE_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS, errno.EMFILE)
"""Errors of files that tell nothing of what is in them."""

ADVICE = ("weights_only", "trust_remote_code", "add_safe_globals", "allow_pickle")
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
        if not _is_of_the_file(error):
            raise
        raise UserError(f"{problem} ({reason_of(error)}); {cure}") from error


def _is_of_the_file(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in OF_THE_MACHINE:
        return False
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def reason_of(error: BaseException) -> str:
    """A library's message in one line, without its advice to read the file in an unsafe way."""
    lines = (" ".join(line.split()) for line in str(error).splitlines())
    told = next((line for line in lines if line and not _is_advice(line)), "")
    return told[:200] or type(error).__name__


def _is_advice(line: str) -> bool:
    return any(
        word in line for word in ("weights_only", "trust_remote_code", "add_safe_globals", "allow_pickle")
    )
