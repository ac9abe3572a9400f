"""Names of a CLIP text encoder's weights: transformers' own, and OpenCLIP's (mlfoundations/open_clip).

OpenCLIP keeps the weights of queries, keys and values in one tensor, and its projection is multiplied by a
row vector from the left, so transformers' linear layer has the transpose. Some trainers read or write it
without transposing, and then learn from wrong pooled vectors: the matrix is square, so its shape does not
reveal it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.bases.origins import Held, Origin, TensorForm

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
FUSED_QKV = re.compile(r"(.+\.attn\.)([qkv])_proj\.(weight|bias)")
CLIP_PROJECTION = "text_projection.weight"
OLD = ("embeddings.", "encoder.", "final_layer_norm.")
"""How names begin, after the prefix, in files that lack the level `text_model.`."""


def transformers_name(name: str) -> str:
    """The name with the level `text_model.`, which transformers 5 omits and every other tool expects."""
    has_level = name.startswith(("text_model.", "text_projection"))
    return name if has_level else f"text_model.{name}"


@dataclass(frozen=True)
class ClipNames:
    """A text encoder with transformers' own names in single files, after `prefix`."""

    prefix: str

    def origin(self, name: str) -> Origin:
        """The place of a weight in a single file."""
        return Origin(self.prefix + transformers_name(name))

    def held(self, key: str) -> list[Held]:
        """The weights in a single file's tensor, by transformers' names."""
        return [Held(key.removeprefix(self.prefix))]

    def usual(self, key: str) -> str:
        """The tensor's name with the level `text_model.`, which some files lack."""
        rest = key.removeprefix(self.prefix)
        return f"{self.prefix}text_model.{rest}" if rest.startswith(OLD) else key


@dataclass(frozen=True)
class OpenClipNames:
    """A text encoder with OpenCLIP's names in single files, after `prefix`."""

    prefix: str

    def origin(self, name: str) -> Origin:
        """The place in a single file of a weight with this transformers name."""
        if name == CLIP_PROJECTION:
            return Origin(f"{self.prefix}text_projection", form=TensorForm.TRANSPOSED)
        own = name.removeprefix("text_model.")
        for ours, theirs in OPENCLIP.items():
            own = own.replace(ours, theirs)
        if match := FUSED_QKV.fullmatch(own):
            return Origin(f"{self.prefix}{match[1]}in_proj_{match[3]}", THIRDS.index(match[2]), len(THIRDS))
        return Origin(self.prefix + own)

    def held(self, key: str) -> list[Held]:
        """The weights in a single file's tensor, by transformers' names."""
        name = key.removeprefix(self.prefix)
        if name == "text_projection":
            return [Held(CLIP_PROJECTION)]
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
        """The name unchanged: there is only one layout."""
        return key


TextNames = ClipNames | OpenClipNames


def held_by_texts(text_names: Mapping[str, TextNames], key: str) -> list[tuple[str, Held]]:
    """Which text encoder's tensors a single file's tensor holds. `text_names`: by part."""
    return [
        (part, held)
        for part, names in text_names.items()
        if key.startswith(names.prefix)
        for held in names.held(key)
    ]


def usual_text_key(text_names: Mapping[str, TextNames], key: str) -> str:
    """The usual name of a text encoder's tensor in a single file; others keep theirs."""
    names = next((each for each in text_names.values() if key.startswith(each.prefix)), None)
    return names.usual(key) if names else key
