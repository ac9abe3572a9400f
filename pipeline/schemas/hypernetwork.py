"""The network option `hypernetwork`."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline.schemas.group import Group, Positive

Multiple = Annotated[float, Field(gt=0)]
DropoutRate = Annotated[float, Field(ge=0, lt=1)]


class HypernetworkConfig(Group):
    name: Literal["hypernetwork"]
    sizes: Annotated[list[Positive], Field(min_length=1)] | None
    layer_structure: Annotated[list[Multiple], Field(min_length=2)]
    activation: Literal["linear", "relu", "leakyrelu", "elu", "swish", "tanh", "sigmoid", "softsign", "mish"]
    activate_output: bool
    use_layer_norm: bool
    weight_init: Literal["Normal", "XavierUniform", "XavierNormal", "KaimingUniform", "KaimingNormal"]
    dropout_structure: list[DropoutRate] | None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        widths, rates = self.layer_structure, self.dropout_structure
        if widths[0] != 1 or widths[-1] != 1:
            raise ValueError("layer_structure must start and end with 1, the context's own width")
        if rates is not None and (len(rates) != len(widths) or rates[0] or rates[-1]):
            raise ValueError("dropout_structure must be as long as layer_structure, and start and end with 0")
        return self
