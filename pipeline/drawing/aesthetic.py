"""Aesthetic gradients (Gallego 2022, arXiv 2209.12330): before a prompt is drawn, a copy of the text encoder
takes a few steps towards a set's mean picture embedding e; its new output is mixed with the old one.

    loss = -cos(P text(chunk), e)      z' = (1 - weight) z + weight z_n, or slerp(z, z_n, weight)

z has the prompt's emphasis, z_n has none. Each chunk of 75 tokens has a fresh copy. As in
AUTOMATIC1111/stable-diffusion-webui-aesthetic-gradients (aesthetic_clip.py), with three differences:

- The copy is of the base's own text encoder, not of a separate CLIP; they are equal if the base never trained
  its text encoder.
- Each prompt takes its own steps; there the prompts of a batch share them.
- The negative prompt takes no steps; there it does.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPTextModel

from pipeline.bases.clip_text import states as states_of
from pipeline.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Aesthetic:
    """embedding: [1, projection], the set's. projection: P [projection, width], CLIP's
    `text_projection.weight` (pipeline/vision/clip_pictures.py: `load_clip`), which no checkpoint contains.
    weight (0-1), steps and lr: how strongly it acts.
    """

    embedding: Tensor
    projection: Tensor
    weight: float = 0.9
    steps: int = 5
    lr: float = 1e-4
    slerp: bool = False

    def __post_init__(self) -> None:
        if self.embedding.shape[-1] != len(self.projection):
            raise UserError(
                f"the aesthetic embedding is {self.embedding.shape[-1]} wide, the CLIP model's projection"
                f" {len(self.projection)}; use the CLIP model it was made with"
            )

    def applied(self, text_encoder: CLIPTextModel, ids: Tensor, states: Tensor, clip_skip: int) -> Tensor:
        """[chunks, 77, width]: `states`, the encoder's weighted output for ids [chunks, 77], moved towards
        the set.
        """
        if not (self.weight and self.steps and self.lr):
            return states
        with torch.autocast(ids.device.type, enabled=False):  # small steps are lost in 16 bits
            moved = torch.cat(
                [
                    states_of(self.stepped(text_encoder, one), one, clip_skip, normed=True)[0].detach()
                    for one in torch.split(ids, 1)
                ]
            )
        mix = slerp if self.slerp else torch.lerp
        return mix(states, moved, torch.tensor(self.weight).to(states))

    def stepped(self, text_encoder: CLIPTextModel, ids: Tensor) -> CLIPTextModel:
        """A copy in fp32 after `steps` of Adam for ids [chunks, 77]; the encoder and its attached networks
        stay unchanged.
        """
        made: CLIPTextModel = copy.deepcopy(text_encoder).float().requires_grad_(True)
        goal = F.normalize(self.embedding.to(made.device), dim=-1)
        optimizer = torch.optim.Adam(made.parameters(), lr=self.lr)
        with torch.enable_grad():
            for _ in range(self.steps):
                features = F.normalize(text_features(made, ids, self.projection), dim=-1)
                optimizer.zero_grad()
                loss = -(features @ goal.T).mean()
                loss.backward()
                optimizer.step()
        return made.requires_grad_(False)

    def turned(self, text_encoder: CLIPTextModel, ids: Tensor, angle: float, negative: bool) -> Tensor:
        """[1, projection] the embedding rotated by `angle` (0-1) towards a text, or away from it if
        `negative`; ids [1, 77].
        """
        own = F.normalize(self.embedding, dim=-1)
        with torch.no_grad():
            text = text_features(text_encoder, ids, self.projection).to(own)
        text = F.normalize(own - text, dim=-1) if negative else text
        return slerp(own, text, torch.tensor(angle))


def text_features(text_encoder: CLIPTextModel, ids: Tensor, projection: Tensor) -> Tensor:
    """[chunks, projection]: the last state at each chunk's first end token, projected."""
    end = ids[:, -1:]  # a full chunk's last id is end or padding, the same token in SD 1.x
    first = (ids == end).int().argmax(dim=-1)
    states: Tensor = text_encoder(ids).last_hidden_state
    return states[torch.arange(len(ids), device=ids.device), first] @ projection.to(states).T


def slerp(low: Tensor, high: Tensor, amount: Tensor) -> Tensor:
    """From `low` to `high` along the arc between their directions, over dimension 1, as in the extension:
    whole embeddings [1, projection], but for states [chunks, 77, width] each channel over its 77 tokens.
    Parallel vectors are interpolated linearly.
    """
    cosine = (F.normalize(low, dim=1) * F.normalize(high, dim=1)).sum(dim=1, keepdim=True)
    omega = cosine.clamp(-1, 1).acos()
    sine = omega.sin()
    arc = ((1 - amount) * omega).sin() / sine * low + (amount * omega).sin() / sine * high
    return torch.where(sine < 1e-4, torch.lerp(low, high, amount.to(low)), arc)
