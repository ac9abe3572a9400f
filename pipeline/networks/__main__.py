"""`python -m pipeline.networks inspect FILE...`: family, size, where it acts, and what its header says.
`python -m pipeline.networks convert FILE TARGET`: an embedding or hypernetwork from .pt to .safetensors or
back; an adapter with `--to sd-scripts`, `--to diffusers`, or, as a plain LoRA, `--to lora --dim 16`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pipeline.base.load import load_base
from pipeline.command import run
from pipeline.config.check import check
from pipeline.config.compose import compose, read_params
from pipeline.files.safetensors_file import PRECISIONS
from pipeline.networks.conversion import LAYOUTS, convert, convert_to_lora
from pipeline.networks.inspection import inspect


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.networks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    inspect_parser = commands.add_parser("inspect", help="say what a network's file is")
    inspect_parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    _add_convert(commands.add_parser("convert", help="a network's file in another layout"))
    chosen = parser.parse_args(arguments)
    if chosen.command == "inspect":
        print("\n\n".join("\n".join([str(file), *inspect(file).lines()]) for file in chosen.files))
    elif chosen.to == "lora":
        print(_to_lora(chosen))
    else:
        print("\n".join(map(str, convert(chosen.source, chosen.target, chosen.to))))


def _add_convert(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, metavar="FILE")
    parser.add_argument(
        "target", type=Path, help="a .pt or .safetensors, or a folder: one file for each word of an embedding"
    )
    parser.add_argument("--to", choices=LAYOUTS, help="layout of an adapter")
    parser.add_argument("--dim", type=int, default=32, help="rank of the plain LoRA; larger: smaller error")
    parser.add_argument("--base", help="checkpoint that the plain LoRA is for; else that of params.yaml")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp16", help="numbers in the plain LoRA")


def _to_lora(chosen: argparse.Namespace) -> str:
    base = check(compose(read_params())).base
    if chosen.base:
        base = base.model_copy(update={"path": chosen.base})
    made = convert_to_lora(chosen.source, chosen.target, load_base(base), chosen.dim, chosen.precision)
    name, worst = made.worst
    return (
        f"{chosen.target}\nerror of the change at rank {chosen.dim}: {made.error:.2%} of its norm in all,"
        f" {worst:.2%} in the worst layer, {name}"
    )


if __name__ == "__main__":
    run(main)
