"""Names of a CLIP text encoder's weights: transformers' own, and OpenCLIP's (mlfoundations/open_clip).

OpenCLIP keeps the queries', keys' and values' weights in one tensor, and the projection as a matrix that a
row vector is multiplied by, so that transformers' linear layer has its transpose. Trainers exist that read
or write it as it is, and then learn from wrong pooled vectors: the matrix is square, and no shape tells.
"""

import re

from pipeline.bases.origins import Form, Origin

OPENCLIP = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.": "ln_final.",
    "encoder.layers.": "transformer.resblocks.",
    ".self_attn.": ".attn.",
    ".layer_norm1.": ".ln_1.",
    ".layer_norm2.": ".ln_2.",
    ".mlp.fc1.": ".mlp.c_fc.",
    ".mlp.fc2.": ".mlp.c_proj.",
}
THIRDS = "qkv"
FUSED = re.compile(r"(.+\.attn\.)([qkv])_proj\.(weight|bias)")
PROJECTION = "text_projection.weight"


def transformers_name(name: str) -> str:
    """The name with the `text_model.` level, which transformers 5 leaves out and every other tool expects."""
    has_level = name.startswith(("text_model.", "text_projection."))
    return name if has_level else f"text_model.{name}"


def clip_origin(name: str, prefix: str) -> Origin:
    """Where a weight is in a file that has transformers' names."""
    return Origin(prefix + transformers_name(name))


def openclip_origin(name: str, prefix: str) -> Origin:
    """Where a weight by transformers' name is in a file that has OpenCLIP's."""
    if name == PROJECTION:
        return Origin(f"{prefix}text_projection", form=Form.TRANSPOSED)
    own = name.removeprefix("text_model.")
    for ours, theirs in OPENCLIP.items():
        own = own.replace(ours, theirs)
    if match := FUSED.fullmatch(own):
        return Origin(f"{prefix}{match[1]}in_proj_{match[3]}", THIRDS.index(match[2]), len(THIRDS))
    return Origin(prefix + own)
