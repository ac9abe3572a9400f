"""`python -m pipeline.compare [EXPERIMENT or COMMIT...]`: compares runs, the best first, and writes a page
of their pictures and curves. Without names: the experiments that start from the current commit.
"""

import argparse
from collections.abc import Sequence

from pipeline.command import run
from pipeline.compare.page import compare
from pipeline.printable import printable_lines


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.compare", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="EXPERIMENT", help="an experiment, or a commit, branch or tag"
    )
    parser.add_argument(
        "--metric",
        metavar="FIGURE[+FIGURE][,FIGURE]",
        help="compare by this, such as train.validation_loss; several with commas: their Pareto front"
        " (`-` before a figure: smaller is better); without it the verdict's joint score",
    )
    parser.add_argument("--minimize", action="store_true", help="the smallest --metric is best")
    options = parser.parse_args(arguments)
    print(printable_lines(compare(options.names, options.metric, options.minimize)))


if __name__ == "__main__":
    run(main)
