"""`python -m pipeline.networks inspect FILE...`: family, size, and header; `--norms`: also where it acts,
from the whole file.

`python -m pipeline.networks convert FILE TARGET`: an embedding or hypernetwork from .pt to .safetensors or
back; an adapter with `--to sd-scripts`, `--to diffusers`, or, as a plain LoRA, `--to lora --dim 16`.

`python -m pipeline.networks aesthetic PICTURE... --clip FOLDER --target FILE`: the aesthetic embedding of
pictures and folders of pictures.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pipeline.bases.load import load_base
from pipeline.command import run
from pipeline.config.check import check
from pipeline.config.compose import compose, read_params
from pipeline.errors import warn
from pipeline.files.aesthetic_file import write_aesthetic
from pipeline.files.outputs import claim
from pipeline.files.safetensors_file import PRECISIONS
from pipeline.networks.conversion import NETWORK_LAYOUTS, convert, convert_to_lora
from pipeline.networks.inspection import inspect
from pipeline.printable import printable, printable_lines
from pipeline.progress import progress
from pipeline.typed_numbers import MOST_RANK, whole_number


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.networks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    inspect_parser = commands.add_parser("inspect", help="show what a network's file is")
    inspect_parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    inspect_parser.add_argument(
        "--norms", action="store_true", help="the norm of an adapter's change by block: reads the whole file"
    )
    _add_convert(commands.add_parser("convert", help="convert a network's file to another layout"))
    _add_aesthetic(commands.add_parser("aesthetic", help="make the mean CLIP embedding of pictures"))
    chosen = parser.parse_args(arguments)
    if chosen.command == "inspect":
        described = ([str(file), *inspect(file, chosen.norms).lines()] for file in chosen.files)
        print("\n\n".join("\n".join(map(printable, lines)) for lines in described))
    elif chosen.command == "aesthetic":
        print(printable_lines(_aesthetic(chosen)))
    elif chosen.to == "lora":
        print(printable_lines(_to_lora(chosen)))
    else:
        written = convert(chosen.source, chosen.target, chosen.to)
        print("\n".join(printable(str(each)) for each in written))


def _add_convert(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, metavar="FILE")
    parser.add_argument(
        "target", type=Path, help="a .pt or .safetensors, or a folder: one file for each word of an embedding"
    )
    parser.add_argument("--to", choices=NETWORK_LAYOUTS, help="layout of an adapter")
    parser.add_argument(
        "--dim",
        type=whole_number(1, MOST_RANK),
        default=32,
        help="rank of the plain LoRA; a larger one has a smaller error",
    )
    parser.add_argument("--base", help="checkpoint that the plain LoRA is for; default: params.yaml's")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp16", help="type of the plain LoRA")


def _add_aesthetic(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pictures", nargs="+", type=Path, metavar="PICTURE", help="pictures, or folders")
    parser.add_argument(
        "--clip", required=True, type=Path, help="CLIP of the base's text encoder, as transformers saves it"
    )
    parser.add_argument(
        "--target", required=True, type=Path, metavar="FILE", help=".pt (A1111's extension), .safetensors"
    )


def _aesthetic(chosen: argparse.Namespace) -> str:
    from pipeline.vision.clip_pictures import mean_embedding, opened, picture_files

    files = picture_files(chosen.pictures)
    claim(chosen.target, [*files, chosen.clip], "--target")
    write_aesthetic(chosen.target, mean_embedding(chosen.clip, opened(progress(files, "CLIP"))))
    return f"{chosen.target}: the mean of {len(files)} pictures"


def _to_lora(chosen: argparse.Namespace) -> str:
    base = check(compose(read_params())).base
    if chosen.base:
        base = base.model_copy(update={"path": chosen.base})
    made = convert_to_lora(chosen.source, chosen.target, load_base(base), chosen.dim, chosen.precision)
    name, worst = made.worst
    if made.left_out:
        warn(
            f"{chosen.source} also changes {len(made.left_out)} norms and biases"
            f" ({', '.join(made.left_out[:3])} ...), which do not fit into a LoRA: they are left out"
        )
    return (
        f"{chosen.target}\nerror of the change at rank {chosen.dim}: {made.error:.2%} of its norm in all,"
        f" {worst:.2%} in the worst layer, {name}"
    )


if __name__ == "__main__":
    run(main)
