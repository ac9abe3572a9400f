"""All merge methods: pure functions on float32 tensors.

To add one: a function, a step of its name in pipeline/schemas/recipe.py, and a line here.
"""

from collections.abc import Callable

from torch import Tensor

from pipeline.merging.methods.angles import cosine_a, cosine_b, model_stock, slerp
from pipeline.merging.methods.differences import dare, smooth_add, ties
from pipeline.merging.methods.linear import (
    add_difference,
    sum_twice,
    train_difference,
    triple_sum,
    weighted_sum,
)

METHODS: dict[str, Callable[..., Tensor]] = {
    function.__name__: function
    for function in (
        weighted_sum, add_difference, triple_sum, sum_twice, train_difference,
        slerp, cosine_a, cosine_b, model_stock, ties, dare, smooth_add,
    )
}  # fmt: skip
IN_PIECES = {"weighted_sum", "add_difference", "triple_sum", "sum_twice", "train_difference"}
"""Methods that treat each number separately."""
ALWAYS_MIXES = {"cosine_a", "cosine_b"}
"""Methods that do not give A at alpha 0."""
