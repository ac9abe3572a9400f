"""Names of a CLIP text encoder's weights: transformers' own, and OpenCLIP's (mlfoundations/open_clip).

OpenCLIP keeps the queries', keys' and values' weights in one tensor, and the projection as a matrix that a
row vector is multiplied by, so that transformers' linear layer has its transpose. Trainers exist that read
or write it as it is, and then learn from wrong pooled vectors: the matrix is square, and no shape tells.
"""

import re
from dataclasses import dataclass

from pipeline.bases.origins import Form, Held, Origin

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
OLD = ("embeddings.", "encoder.", "final_layer_norm.")
"""How names begin, behind the prefix, in files that lack the level `text_model.`."""


def transformers_name(name: str) -> str:
    """The name with the `text_model.` level, which transformers 5 leaves out and every other tool expects."""
    has_level = name.startswith(("text_model.", "text_projection."))
    return name if has_level else f"text_model.{name}"


@dataclass(frozen=True)
class ClipNames:
    """A text encoder whose single-file names are transformers' own, behind `prefix`."""

    prefix: str

    def origin(self, name: str) -> Origin:
        """Where a weight is in a single file."""
        return Origin(self.prefix + transformers_name(name))

    def held(self, key: str) -> list[Held]:
        """What a single file's tensor holds, by transformers' names."""
        return [Held(key.removeprefix(self.prefix))]

    def usual(self, key: str) -> str:
        """The tensor's name with the `text_model.` level, which some files lack."""
        rest = key.removeprefix(self.prefix)
        return f"{self.prefix}text_model.{rest}" if rest.startswith(OLD) else key


@dataclass(frozen=True)
class OpenClipNames:
    """A text encoder whose single-file names are OpenCLIP's, behind `prefix`."""

    prefix: str

    def origin(self, name: str) -> Origin:
        """Where a weight by transformers' name is in a single file."""
        if name == PROJECTION:
            return Origin(f"{self.prefix}text_projection", form=Form.TRANSPOSED)
        own = name.removeprefix("text_model.")
        for ours, theirs in OPENCLIP.items():
            own = own.replace(ours, theirs)
        if match := FUSED.fullmatch(own):
            return Origin(f"{self.prefix}{match[1]}in_proj_{match[3]}", THIRDS.index(match[2]), len(THIRDS))
        return Origin(self.prefix + own)

    def held(self, key: str) -> list[Held]:
        """What a single file's tensor holds, by transformers' names."""
        name = key.removeprefix(self.prefix)
        if name == "text_projection":
            return [Held(PROJECTION)]
        if name.startswith("text_model."):
            return [Held(name)]
        for ours, theirs in OPENCLIP.items():
            name = name.replace(theirs, ours)
        place, fused, leaf = name.partition("in_proj_")
        if not fused:
            return [Held(f"text_model.{name}")]
        return [
            Held(f"text_model.{place}{third}_proj.{leaf}", index, len(THIRDS))
            for index, third in enumerate(THIRDS)
        ]

    def usual(self, key: str) -> str:
        """The name as it is: there is one layout."""
        return key


TextNames = ClipNames | OpenClipNames
