"""Configurations by option and key, checked."""

from typing import Any

import pytest

from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.config.rules import doubtful
from pipeline.errors import UserError


def must_refuse(use: dict[str, str], values: dict[str, Any], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        check(compose(Params(use, values)))


def must_doubt(use: dict[str, str], values: dict[str, Any], sentence: str) -> None:
    """With an empty sentence: nothing at all may be said."""
    said = doubtful(check(compose(Params(use, values))))
    assert sentence in " ".join(said) if sentence else said == []
