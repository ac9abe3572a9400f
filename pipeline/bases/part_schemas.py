"""Types and ranges that a stranger's configurations of a base's parts must have. They limit what is built
(layers, widths, table sizes), and no entry can name code to fetch or run.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

MOST_TOKENS = 1 << 20
MOST_ENTRIES = 10_000

Few = Annotated[int, Field(ge=1, le=64)]
Width = Annotated[int, Field(ge=1, le=1 << 15)]
Token = Annotated[int, Field(ge=0, lt=MOST_TOKENS)]
Tiny = Annotated[float, Field(ge=0, lt=1)]
PlainWord = Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9_.+-]*$")]
Blocks = Annotated[list[PlainWord], Field(min_length=1, max_length=8)]
Widths = Annotated[list[Width], Field(min_length=1, max_length=8)]
Layers = Annotated[int, Field(ge=1, le=8)]
Depth = Annotated[int, Field(ge=0, le=24)]
Depths = Annotated[list[Depth | Annotated[list[Depth], Field(max_length=8)]], Field(max_length=8)]


class Stated(BaseModel):
    """Entries that are not named here must be plain and small (stated.py: MOST_NUMBER): some libraries build
    from them, as transformers builds a table of `num_labels` rows.
    """

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)

    auto_map: None = None
    quantization_config: None = None


class Unet(Stated):
    class_name: Literal["UNet2DConditionModel"] = Field("UNet2DConditionModel", alias="_class_name")
    in_channels: Few = 4
    out_channels: Few = 4
    block_out_channels: Widths
    cross_attention_dim: Width
    down_block_types: Blocks
    up_block_types: Blocks
    mid_block_type: PlainWord | None = None
    layers_per_block: Layers | Annotated[list[Layers], Field(max_length=8)] = 2
    attention_head_dim: Width | Widths = 8
    num_attention_heads: Width | Widths | None = None
    transformer_layers_per_block: Depth | Depths = 1
    reverse_transformer_layers_per_block: Depth | Depths | None = None
    norm_num_groups: Width | None = 32
    norm_eps: Tiny = 1e-5
    conv_in_kernel: Few = 3
    conv_out_kernel: Few = 3
    sample_size: Width | Widths | None = None
    act_fn: PlainWord = "silu"


class Transformer(Stated):
    class_name: Literal["SD3Transformer2DModel"] = Field("SD3Transformer2DModel", alias="_class_name")
    sample_size: Width = 128
    patch_size: Few = 2
    in_channels: Few = 16
    out_channels: Few = 16
    num_layers: Few = 18
    attention_head_dim: Width = 64
    num_attention_heads: Few = 18
    joint_attention_dim: Width = 4096
    caption_projection_dim: Width = 1152
    pooled_projection_dim: Width = 2048
    pos_embed_max_size: Annotated[int, Field(ge=1, le=1024)] = 96
    dual_attention_layers: Annotated[list[Annotated[int, Field(ge=0, lt=64)]], Field(max_length=64)] = []
    qk_norm: Literal["rms_norm"] | None = None


class Vae(Stated):
    class_name: Literal["AutoencoderKL"] = Field("AutoencoderKL", alias="_class_name")
    in_channels: Few = 3
    out_channels: Few = 3
    latent_channels: Few = 4
    block_out_channels: Widths
    down_block_types: Blocks
    up_block_types: Blocks
    layers_per_block: Layers = 2
    norm_num_groups: Width = 32
    sample_size: Width | None = None
    scaling_factor: Annotated[float, Field(gt=0, le=1000)] = 0.18215
    shift_factor: Annotated[float, Field(ge=-1000, le=1000)] | None = None
    act_fn: PlainWord = "silu"


class TextEncoder(Stated):
    vocab_size: Annotated[int, Field(ge=1, le=MOST_TOKENS)]
    hidden_size: Width
    intermediate_size: Width
    projection_dim: Width | None = None
    num_hidden_layers: Few
    num_attention_heads: Few
    max_position_embeddings: Width
    hidden_act: PlainWord = "quick_gelu"
    layer_norm_eps: Tiny = 1e-5
    attention_dropout: Tiny = 0.0
    bos_token_id: Token | None = None
    eos_token_id: Token | list[Token] | None = None
    pad_token_id: Token | None = None
    attn_implementation: Literal["eager", "sdpa"] | None = None
    attn_implementation_kept: Literal["eager", "sdpa"] | None = Field(None, alias="_attn_implementation")
    experts_implementation: None = None


class T5Encoder(Stated):
    vocab_size: Annotated[int, Field(ge=1, le=MOST_TOKENS)]
    d_model: Width
    d_kv: Width
    d_ff: Width
    num_layers: Few
    num_heads: Few
    relative_attention_num_buckets: Few = 32
    relative_attention_max_distance: Width = 128
    feed_forward_proj: PlainWord = "gated-gelu"
    dense_act_fn: PlainWord = "gelu_new"
    dropout_rate: Tiny = 0.1
    layer_norm_epsilon: Tiny = 1e-6
    attn_implementation: Literal["eager", "sdpa"] | None = None
    attn_implementation_kept: Literal["eager", "sdpa"] | None = Field(None, alias="_attn_implementation")
    experts_implementation: None = None


class Scheduler(Stated):
    shift: Annotated[float, Field(gt=0, le=100)] = 1.0
    class_name: PlainWord = Field("DDIMScheduler", alias="_class_name")
    num_train_timesteps: Annotated[int, Field(ge=1, le=MOST_ENTRIES)] = 1000
    beta_start: Annotated[float, Field(gt=0, lt=1)] = 0.00085
    beta_end: Annotated[float, Field(gt=0, lt=1)] = 0.012
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2"] = "scaled_linear"
    prediction_type: Literal["epsilon", "v_prediction", "sample"] = "epsilon"
    steps_offset: Annotated[int, Field(ge=0, le=1000)] = 0
    trained_betas: Annotated[list[Tiny], Field(max_length=MOST_ENTRIES)] | None = None


PART_SCHEMAS: dict[str, type[Stated]] = {
    "unet": Unet,
    "transformer": Transformer,
    "vae": Vae,
    "text_encoder": TextEncoder,
    "text_encoder_2": TextEncoder,
    "text_encoder_3": T5Encoder,
    "scheduler": Scheduler,
}
"""By the parts' names in a header."""
