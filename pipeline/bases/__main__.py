"""`python -m pipeline.bases inspect FILE...`: what a checkpoint or diffusers folder is: family, variant, what
it predicts and how that is known, its parts, precision and licence.
`python -m pipeline.bases mend FILE --out FILE`: an SDXL file, or a folder's text_encoder_2/model.safetensors,
whose text_projection is transposed, put right.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pipeline.bases.doctor import examined, lines
from pipeline.bases.projection import turn_round
from pipeline.command import run
from pipeline.files.outputs import claim
from pipeline.printable import printable, printable_lines


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.bases", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    inspect = commands.add_parser("inspect", help="say what a base is")
    inspect.add_argument("files", nargs="+", type=Path, metavar="FILE")
    mend = commands.add_parser("mend", help="put a transposed text_projection right")
    mend.add_argument("file", type=Path, metavar="FILE")
    mend.add_argument("--out", type=Path, required=True, metavar="FILE")
    chosen = parser.parse_args(arguments)
    if chosen.command == "mend":
        claim(chosen.out, [chosen.file])
        turn_round(chosen.file, chosen.out)
        print(printable(str(chosen.out)))
        return
    for file in chosen.files:
        print(printable_lines("\n".join([str(file), *lines(examined(file))])))


if __name__ == "__main__":
    run(main)
