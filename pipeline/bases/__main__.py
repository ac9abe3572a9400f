"""`python -m pipeline.bases inspect FILE...`: what a checkpoint or diffusers folder is: family, variant, what
it predicts and how that is known, its parts, precision and licence.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pipeline.bases.doctor import examined, lines
from pipeline.command import run
from pipeline.printable import printable_lines


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.bases", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    inspect = commands.add_parser("inspect", help="say what a base is")
    inspect.add_argument("files", nargs="+", type=Path, metavar="FILE")
    for file in parser.parse_args(arguments).files:
        print(printable_lines("\n".join([str(file), *lines(examined(file))])))


if __name__ == "__main__":
    run(main)
