"""`python -m pipeline.networks inspect FILE...`: family, size, where it acts, and what its header says."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pipeline.command import run
from pipeline.networks.inspection import inspect


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.networks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    inspect_parser = commands.add_parser("inspect", help="say what a network's file is")
    inspect_parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    chosen = parser.parse_args(arguments)
    print("\n\n".join("\n".join([str(file), *inspect(file).lines()]) for file in chosen.files))


if __name__ == "__main__":
    run(main)
