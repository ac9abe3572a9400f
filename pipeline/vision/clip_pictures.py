"""The mean CLIP embedding of a set of pictures, which is an aesthetic embedding."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from transformers import CLIPImageProcessorPil, CLIPModel

from pipeline.device import best_device
from pipeline.errors import UserError
from pipeline.pictures.formats import PICTURE_FILE_SUFFIXES
from pipeline.pictures.reading import PictureError, read_picture
from pipeline.vision.pretrained import loading, moved, pretrained, pretrained_model

NEEDED = "config.json, model.safetensors and preprocessor_config.json (SD 1.x: openai/clip-vit-large-patch14)"


def load_clip(folder: Path) -> CLIPModel:
    """A CLIPModel as transformers saves it, from .safetensors alone. Another folder is a user error."""
    with loading(f"{folder}: not a CLIP folder", NEEDED):
        model: CLIPModel = pretrained_model(CLIPModel, folder)
        return model


def picture_files(paths: Sequence[Path]) -> list[Path]:
    """The named files, and all pictures below the named folders; a missing path is a user error."""
    if missing := [str(path) for path in paths if not path.exists()]:
        raise UserError(f"{', '.join(missing)}: no such picture or folder; correct the path")
    every = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    files = [file for file in every if file in paths or file.suffix.lower() in PICTURE_FILE_SUFFIXES]
    if not files:
        raise UserError(f"{', '.join(map(str, paths))}: no pictures there; name a folder that has some")
    return files


def opened(files: Iterable[Path]) -> Iterator[Image.Image]:
    """The pictures; at the end, one user error lists all that cannot be read."""
    problems = []
    for file in files:
        try:
            yield read_picture(file)
        except PictureError as error:
            problems.append(f"{file}: {error}; replace it or leave it out")
    if problems:
        raise UserError(*problems)


@torch.no_grad()
def mean_embedding(folder: Path, pictures: Iterable[Image.Image]) -> Tensor:
    """[1, projection] mean of the pictures' raw embeddings, each its own length, by the model in `folder`
    (AUTOMATIC1111/stable-diffusion-webui-aesthetic-gradients aesthetic_clip.py, generate_imgs_embd).
    One picture per call, so that none depends on the others.
    """
    model = load_clip(folder)
    with loading(f"{folder}: not a CLIP folder", NEEDED):
        processor = pretrained(CLIPImageProcessorPil, folder)
    model = moved(model, best_device())
    embeddings = [_embedding(model, processor, picture) for picture in pictures]
    if not embeddings:
        raise UserError("an aesthetic embedding is the mean of pictures, and there are none; name some")
    return torch.cat(embeddings).double().mean(dim=0, keepdim=True).float()


def _embedding(model: CLIPModel, processor: CLIPImageProcessorPil, picture: Image.Image) -> Tensor:
    """[1, projection], on the CPU."""
    pixels = processor(picture.convert("RGB"), return_tensors="pt")["pixel_values"]
    pooled = model.vision_model(pixel_values=pixels.to(model.device)).pooler_output
    projected: Tensor = model.visual_projection(pooled)
    return projected.cpu()
