"""Whether a separate VAE can belong to a base, as far as shapes and configurations tell. Without torch.

The VAEs of SD 1.x, 2.x and SDXL have the same names and shapes, so that a file of bare weights does not say
which of them it is; a folder's configuration, a whole checkpoint and a header of this pipeline do, by the
factor that latents are multiplied by.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.bases.facts import FamilyFacts
from pipeline.bases.registry import family_named, folder_of, recognised
from pipeline.bases.stated import BASE_KEY, stated
from pipeline.files.json_text import read_mapping
from pipeline.files.safetensors_header import Header, read_header

USUAL_SCALE, USUAL_CHANNELS = 0.18215, 4
"""diffusers' AutoencoderKL without these entries."""
LATENT_SIGNS = ("decoder.conv_in.weight", "post_quant_conv.weight")
"""Convolutions whose input is the latents, by the end of their names."""


def vae_problem(vae: Path, base: Path, facts: FamilyFacts) -> str | None:
    """Why the VAE is of another family than the base, as the second half of a sentence; None if it is not, or
    nothing tells. `facts`: of the base.
    """
    own = _config_of(base, facts) or published_vae(facts)
    if vae.suffix == ".safetensors" and vae.is_file():
        header = read_header(vae)
        channels = _channels(header)
        if channels not in (None, wanted := int(own.get("latent_channels", USUAL_CHANNELS))):
            return f"has latents of {channels} channels (16: SD 3 or Flux), the base's have {wanted}"
    other = _config_of(vae, None)
    if other is None or (scale := _scale(other)) == (usual := _scale(own)):
        return None
    return f"is for latents times {scale:g}, and the base's are times {usual:g}"


def vae_kind(path: Path, facts: FamilyFacts) -> str:
    """What a base's own VAE makes of pictures, and whether that is stated."""
    said = _config_of(path, facts)
    config = said or published_vae(facts)
    channels = _channels(read_header(path)) if path.is_file() else None
    origin = "stated" if said else "usual for the family; weights do not say"
    number = channels or int(config.get("latent_channels", USUAL_CHANNELS))
    return f"latents of {number} channels, times {_scale(config):g} ({origin})"


def published_vae(facts: FamilyFacts) -> dict[str, Any]:
    """The configuration of the family's published VAE."""
    return read_mapping(folder_of(facts.name) / "configs/vae.json")


def _scale(config: Mapping[str, Any]) -> float:
    return float(config.get("scaling_factor", USUAL_SCALE))


def _channels(header: Header) -> int | None:
    """Channels of the latents that a file's VAE reads."""
    shapes = (each.shape for name, each in header.tensors.items() if name.endswith(LATENT_SIGNS))
    return next((shape[1] for shape in shapes if len(shape) == 4), None)


def _config_of(path: Path, facts: FamilyFacts | None) -> dict[str, Any] | None:
    """The configuration that goes with a VAE or a whole checkpoint; None if nothing states it. `facts`: of a
    checkpoint whose family is known.
    """
    if path.is_dir():
        places = [path / "vae/config.json", path / "config.json"]
        return next((read_mapping(place) for place in places if place.is_file()), None)
    if path.suffix != ".safetensors" or not path.is_file():
        return None
    header = read_header(path)
    own = stated(header.metadata.get(BASE_KEY), str(path)).get("configs", {})
    if "vae" in own:
        return dict(own["vae"])
    match = None if facts else recognised(header.shapes)
    named = match.facts if match else family_named(header.metadata)
    return published_vae(named) if named and not facts else None
