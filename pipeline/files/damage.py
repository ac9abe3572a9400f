"""Turns libraries' errors on damaged files into one sentence that names the file.

Libraries (torch, safetensors, tokenizers, onnxruntime, Pillow, pyarrow, diffusers, transformers) raise dozens
of kinds of errors on damaged bytes, including plain `Exception` and Rust panics.
"""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import UserError

OF_THE_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS, errno.EMFILE)
"""File errors that are not caused by the file's content."""

ADVICE = (
    "weights_only", "weights only", "Weights only", "trust", "add_safe_globals", "allow_pickle",
    "two options", "arbitrary code", "recommended steps", "documentation",
)  # fmt: skip
"""Words of advice to load the file unsafely, running a stranger's code."""


FULL_DEVICE = (
    "MPS backend out of memory",  # torch on Apple's chips
    "CUDA out of memory", "CUDA error: out of memory", "HIP out of memory", "HIP error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED", "HIPBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED", "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "CUSOLVER_STATUS_ALLOC_FAILED", "miopenStatusAllocFailed",
    "CUDA failure 2:", "Failed to allocate memory for requested buffer of size",  # onnxruntime
)  # fmt: skip
"""What errors say in which a device's memory is full."""


@contextmanager
def reporting_damage(
    problem: str, cure: str = "it may be damaged or cut short: fetch it again"
) -> Iterator[None]:
    """Turns any failure inside into a user error: `problem` names the file; the reason and `cure` follow. Use
    it around a library's reader only.
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
    """Whether the file's content caused the error, not this machine."""
    if isinstance(error, OSError) and error.errno in OF_THE_MACHINE:
        return False
    if is_full_device(error):
        return False
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def is_full_device(error: BaseException) -> bool:
    """Whether an accelerator's memory was full; torch is not loaded here. Only CUDA's allocator has a class
    of its own for it.
    """
    if type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, Exception) and any(sign in str(error) for sign in FULL_DEVICE)


def reason_of(error: BaseException) -> str:
    """The first sentence of a library's message, without its advice to read the file in an unsafe way."""
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is"
    sentences = re.split(r"(?<=[.!?])\s|\n", str(error)[:20_000])
    safe = (" ".join(each.split()) for each in sentences if not any(word in each for word in ADVICE))
    return escaped(next(filter(None, safe), type(error).__name__)[:200])


def escaped(text: str) -> str:
    """Escapes control characters, which a file may put into a message."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
