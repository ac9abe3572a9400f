"""A merge recipe: a tree of steps over named inputs, as in its YAML file.

    inputs:
      anime: {path: models/anime.safetensors, sha256: 3f0c...}
      photo: models/photo
    merge:
      method: weighted_sum
      a: anime
      b: photo
      alpha: {blocks: GRAD_V, base_alpha: 0}

A step may replace any input's name. Missing keys have the defaults below.
"""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, SerializerFunctionWrapHandler, Tag, model_serializer

from pipeline.schemas.group import Count, Fraction, Group, Name, NonEmpty, Sha256


class Input(Group):
    """A checkpoint, network or VAE: a file or a diffusers folder. Hashes that are null are computed and
    recorded. text_encoders_sha256: of the text encoders that a checkpoint has in files of their own.
    """

    path: NonEmpty
    sha256: Sha256 | None = None
    text_encoders_sha256: Sha256 | None = None

    @model_serializer(mode="wrap")
    def _without_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without the key that came later where it has no value: earlier merges keep their bytes."""
        values: dict[str, Any] = handler(self)
        if self.text_encoders_sha256 is None:
            values.pop("text_encoders_sha256", None)
        return values


def _form(of_mapping: str) -> Discriminator:
    """Picks the member of a union of weights by the value's type, so that errors are about the right one."""

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
NumberList = Annotated[list[float], Tag("list[float]")]
Preset = Annotated[NonEmpty, Tag("str")]


class Weights(Group):
    """A weight for each block and part.

    blocks: one number, one for each block, a preset's name, or {block: number} with names like M00, ranges
    like IN04-IN08 and the halves IN and OUT; the narrower one wins, and blocks not named have 0.
    base_alpha: the text encoder's; if missing, the same number as blocks, or 0 if blocks is not one number.
    vae: 0 keeps A's. time: the block of the time embedding. keys: {regular expression: number}, searched in
    the names of a single file; the longest match wins.
    """

    blocks: Annotated[
        Number | NumberList | Preset | Annotated[dict[str, float], Tag("dict[str,float]")],
        _form("dict[str,float]"),
    ]
    base_alpha: float | None = None
    vae: float = 0.0
    time: Literal["IN00", "base"] = "IN00"
    keys: dict[str, float] = Field(default_factory=dict)


Alpha = Annotated[Number | NumberList | Preset | Annotated[Weights, Tag("Weights")], _form("Weights")]
"""One number; 25 (SDXL: 19), or 26 (20) with the text encoder's first; a preset; or `Weights`."""


class PairStep(Group):
    """A merged with B."""

    method: Literal["weighted_sum", "slerp", "cosine_a", "cosine_b"]
    a: "MergeStep"
    b: "MergeStep"
    alpha: Alpha


class DifferenceStep(Group):
    """B's difference to C added to A."""

    method: Literal["add_difference", "train_difference", "smooth_add"]
    a: "MergeStep"
    b: "MergeStep"
    c: "MergeStep"
    alpha: Alpha


class TripleStep(Group):
    """A with B (alpha) and C (beta)."""

    method: Literal["triple_sum", "sum_twice"]
    a: "MergeStep"
    b: "MergeStep"
    c: "MergeStep"
    alpha: Alpha
    beta: Alpha


class AncestorStep(Group):
    """Models of one ancestor."""

    base: "MergeStep"
    models: Annotated[list["MergeStep"], Field(min_length=1)]
    alpha: Alpha = 1.0


class TiesStep(AncestorStep):
    """density: share of each difference to keep."""

    method: Literal["ties"]
    density: Fraction


class DareStep(AncestorStep):
    """drop: share of each difference to drop at random."""

    method: Literal["dare"]
    drop: Annotated[float, Field(ge=0, lt=1)]
    seed: Count = 0


class ModelStockStep(AncestorStep):
    method: Literal["model_stock"]


class BakeStep(Group):
    """A network's change added to a model, at `strength`."""

    method: Literal["bake"]
    model: "MergeStep"
    network: NonEmpty
    strength: Alpha = 1.0


class ReplaceVaeStep(Group):
    """The model with another VAE: from a VAE's file or folder, or from a whole checkpoint."""

    method: Literal["replace_vae"]
    model: "MergeStep"
    vae: NonEmpty


STEPS: tuple[type[Group], ...] = (
    PairStep,
    DifferenceStep,
    TripleStep,
    TiesStep,
    DareStep,
    ModelStockStep,
    BakeStep,
    ReplaceVaeStep,
)
"""A step's `method` decides its kind."""


def _kind(step: Any) -> str | None:
    """The tag of a step in the union `MergeStep`: `input` for a name, else the class with its method."""
    if isinstance(step, str):
        return "input"
    method = step.get("method") if isinstance(step, dict) else getattr(step, "method", None)
    return next((kind.__name__ for kind in STEPS if method in methods_of(kind)), None)


def methods_of(kind: type[Group]) -> tuple[str, ...]:
    annotation = kind.model_fields["method"].annotation
    methods: tuple[str, ...] = annotation.__args__  # type: ignore[union-attr]
    return methods


MergeStep = Annotated[
    Annotated[str, Tag("input")]
    | Annotated[PairStep, Tag("PairStep")]
    | Annotated[DifferenceStep, Tag("DifferenceStep")]
    | Annotated[TripleStep, Tag("TripleStep")]
    | Annotated[TiesStep, Tag("TiesStep")]
    | Annotated[DareStep, Tag("DareStep")]
    | Annotated[ModelStockStep, Tag("ModelStockStep")]
    | Annotated[BakeStep, Tag("BakeStep")]
    | Annotated[ReplaceVaeStep, Tag("ReplaceVaeStep")],
    Discriminator(
        _kind,
        custom_error_type="unknown_method",
        custom_error_message="a step is an input's name, or has one of the known methods",
    ),
]

Drop = Literal["ema", "optimizer", "schedule", "vae"]
DROPPED: tuple[Drop, ...] = ("ema", "optimizer")


class Recipe(Group):
    """dtype: precision of the result; `source`: each tensor has the type that it has in the first checkpoint.
    prediction_type: what the result predicts; null: as the first checkpoint's files say. drop: tensors of A
    to leave out; `schedule` are the ones that are neither weights nor EMA (betas, alphas_cumprod), which no
    tool needs.
    """

    inputs: dict[Name, NonEmpty | Input]
    merge: MergeStep
    dtype: Literal["fp16", "bf16", "fp32", "source"] = "fp16"
    prediction_type: Literal["epsilon", "v_prediction"] | None = None
    drop: list[Drop] = Field(default_factory=lambda: list(DROPPED))


for each in STEPS:
    each.model_rebuild()
Recipe.model_rebuild()
