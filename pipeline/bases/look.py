"""What a base is, by a look at its names and shapes: no weight is read."""

from pathlib import Path

from pipeline.bases.registry import Recognised, recognised, recognised_config
from pipeline.errors import UserError
from pipeline.files.json_text import read_mapping
from pipeline.files.safetensors_header import read_header

NOTHING_KNOWN = Recognised("no checkpoint that is known here")


def look(path: Path) -> Recognised | None:
    """The family of a diffusers folder or a .safetensors file; None of a hub name or a pickle, which is seen
    when it is loaded. A folder that is none is a user error.
    """
    if path.is_dir():
        config = path / "unet/config.json"
        if not (path / "model_index.json").is_file() or not config.is_file():
            raise UserError(
                f"base.path {path}: no model_index.json or no unet/config.json in it; it must be a diffusers"
                f" folder, or a .safetensors file"
            )
        return recognised_config(read_mapping(config))
    if path.suffix != ".safetensors" or not path.exists():
        return None
    return recognised(read_header(path).shapes) or NOTHING_KNOWN
