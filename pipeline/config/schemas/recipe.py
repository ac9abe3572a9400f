"""A merge recipe: a tree of steps over named inputs, as a YAML file has it.

    inputs:
      anime: {path: models/anime.safetensors, sha256: 3f0c...}
      photo: models/photo
    merge:
      method: weighted_sum
      a: anime
      b: photo
      alpha: {blocks: GRAD_V, base_alpha: 0}

A step stands wherever an input's name may stand. What is left out has the value that its comment tells.
"""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from pipeline.config.schemas.group import Count, Group, Name, NonEmpty, Sha256, Share


class Input(Group):
    """A checkpoint, network or VAE: a file or a diffusers folder. sha256 null: computed and recorded."""

    path: NonEmpty
    sha256: Sha256 | None = None


def _form(of_mapping: str) -> Discriminator:
    """Tells the members of a union of weights by a value's type, so that an error speaks of the one meant."""

    def tag(value: Any) -> str | None:
        if isinstance(value, bool):
            return None
        kinds = {int: "float", float: "float", list: "list[float]", str: "str"}
        return kinds.get(type(value)) or (of_mapping if isinstance(value, dict | Group) else None)

    return Discriminator(
        tag,
        custom_error_type="unknown_form",
        custom_error_message="weights are a number, a list of them, a preset's name, or a mapping",
    )


Number = Annotated[float, Tag("float")]
Numbers = Annotated[list[float], Tag("list[float]")]
Preset = Annotated[NonEmpty, Tag("str")]


class Weights(Group):
    """A weight for each block and part.

    blocks: one number, one for each block, a preset's name, or {block: number} with names like M00, ranges
    like IN04-IN08 and the halves IN and OUT, of which the narrower wins; blocks without a name have 0.
    base_alpha: the text encoder's; left out, it is the number, or 0 beside all else. vae: 0 keeps A's.
    time: where the time embedding counts. keys: {regular expression: number}, found anywhere in a
    single-file name; of those that fit the longest wins.
    """

    blocks: Annotated[
        Number | Numbers | Preset | Annotated[dict[str, float], Tag("dict[str,float]")],
        _form("dict[str,float]"),
    ]
    base_alpha: float | None = None
    vae: float = 0.0
    time: Literal["IN00", "base"] = "IN00"
    keys: dict[str, float] = Field(default_factory=dict)


Alpha = Annotated[Number | Numbers | Preset | Annotated[Weights, Tag("Weights")], _form("Weights")]
"""One number, 25 (SDXL: 19) or with the text encoder's before them 26 (20), a preset, or all of it."""


class Pair(Group):
    """A merged with B."""

    method: Literal["weighted_sum", "slerp", "cosine_a", "cosine_b"]
    a: "Step"
    b: "Step"
    alpha: Alpha


class Difference(Group):
    """B's difference to C added to A."""

    method: Literal["add_difference", "train_difference", "smooth_add"]
    a: "Step"
    b: "Step"
    c: "Step"
    alpha: Alpha


class Triple(Group):
    """A with B (alpha) and C (beta)."""

    method: Literal["triple_sum", "sum_twice"]
    a: "Step"
    b: "Step"
    c: "Step"
    alpha: Alpha
    beta: Alpha


class Several(Group):
    """Models of one ancestor."""

    base: "Step"
    models: Annotated[list["Step"], Field(min_length=1)]
    alpha: Alpha = 1.0


class Ties(Several):
    """density: share of each difference that stays."""

    method: Literal["ties"]
    density: Share


class Dare(Several):
    """drop: share of each difference that is left out by chance."""

    method: Literal["dare"]
    drop: Annotated[float, Field(ge=0, lt=1)]
    seed: Count = 0


class ModelStock(Several):
    method: Literal["model_stock"]


class Bake(Group):
    """A network's change added to a model, at `strength`."""

    method: Literal["bake"]
    model: "Step"
    network: NonEmpty
    strength: Alpha = 1.0


class ReplaceVae(Group):
    """The model with another VAE: a VAE's file or folder, or that of a whole checkpoint."""

    method: Literal["replace_vae"]
    model: "Step"
    vae: NonEmpty


STEPS: tuple[type[Group], ...] = (Pair, Difference, Triple, Ties, Dare, ModelStock, Bake, ReplaceVae)
"""A step names its kind by `method`."""


def _kind(step: Any) -> str | None:
    """Which member of the union a step is: an input's name, or by its method."""
    if isinstance(step, str):
        return "input"
    method = step.get("method") if isinstance(step, dict) else getattr(step, "method", None)
    return next((kind.__name__ for kind in STEPS if method in methods_of(kind)), None)


def methods_of(kind: type[Group]) -> tuple[str, ...]:
    annotation = kind.model_fields["method"].annotation
    found: tuple[str, ...] = annotation.__args__  # type: ignore[union-attr]
    return found


Step = Annotated[
    Annotated[str, Tag("input")]
    | Annotated[Pair, Tag("Pair")]
    | Annotated[Difference, Tag("Difference")]
    | Annotated[Triple, Tag("Triple")]
    | Annotated[Ties, Tag("Ties")]
    | Annotated[Dare, Tag("Dare")]
    | Annotated[ModelStock, Tag("ModelStock")]
    | Annotated[Bake, Tag("Bake")]
    | Annotated[ReplaceVae, Tag("ReplaceVae")],
    Discriminator(
        _kind,
        custom_error_type="unknown_method",
        custom_error_message="a step is an input's name, or has one of the known methods",
    ),
]

Drop = Literal["ema", "optimizer", "schedule", "vae"]
DROPPED: tuple[Drop, ...] = ("ema", "optimizer")


class Recipe(Group):
    """dtype: numbers of the result. drop: what the result leaves out of A's tensors; `schedule` is what is
    neither weight nor EMA (betas, alphas_cumprod), which no tool needs.
    """

    inputs: dict[Name, NonEmpty | Input]
    merge: Step
    dtype: Literal["fp16", "bf16", "fp32"] = "fp16"
    drop: list[Drop] = Field(default_factory=lambda: list(DROPPED))


for each in STEPS:
    each.model_rebuild()
Recipe.model_rebuild()
