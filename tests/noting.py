"""Notes the calls of a function that still does its work."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


def noting(
    notes: list[Any], note: Callable[..., object], call: Callable[Arguments, Answer]
) -> Callable[Arguments, Answer]:
    """`call`, which before its work appends `note` of its arguments to `notes`."""

    def noted(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
        notes.append(note(*args, **kwargs))
        return call(*args, **kwargs)

    return noted
