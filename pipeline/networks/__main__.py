"""`python -m pipeline.networks inspect FILE...`: family, size, where it acts, and what its header says.
`python -m pipeline.networks convert FILE TARGET`: an embedding or hypernetwork from .pt to .safetensors or
back.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pipeline.command import run
from pipeline.networks.conversion import convert
from pipeline.networks.inspection import inspect


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.networks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    inspect_parser = commands.add_parser("inspect", help="say what a network's file is")
    inspect_parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    convert_parser = commands.add_parser("convert", help="an embedding or hypernetwork in another layout")
    convert_parser.add_argument("source", type=Path, metavar="FILE")
    convert_parser.add_argument(
        "target", type=Path, help="a .pt or .safetensors, or a folder: one file for each word of an embedding"
    )
    chosen = parser.parse_args(arguments)
    if chosen.command == "convert":
        print("\n".join(map(str, convert(chosen.source, chosen.target))))
        return
    print("\n\n".join("\n".join([str(file), *inspect(file).lines()]) for file in chosen.files))


if __name__ == "__main__":
    run(main)
