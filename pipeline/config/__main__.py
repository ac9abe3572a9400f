"""`python -m pipeline.config explain KEY [OVERRIDE...]`: value, origin, meaning. `python -m pipeline.config
schema`: the editors' schema.
"""

import argparse
from collections.abc import Sequence

from pipeline.command import run
from pipeline.config.explain import explain
from pipeline.config.json_schema import SCHEMA_FILE, json_schema
from pipeline.files.atomic import write_text
from pipeline.printable import printable_lines


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.config", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    explain_parser = commands.add_parser(
        "explain", help="print a key's value, where it came from, and what it means"
    )
    explain_parser.add_argument("key", help="network.alpha, or a group: network")
    explain_parser.add_argument("overrides", nargs="*", help="network.dim=8, network=lora ...")
    commands.add_parser("schema", help=f"write {SCHEMA_FILE}")
    chosen = parser.parse_args(arguments)
    if chosen.command == "schema":
        write_text(SCHEMA_FILE, json_schema())
        return
    print("\n\n".join(printable_lines(str(item)) for item in explain(chosen.key, chosen.overrides)))


if __name__ == "__main__":
    run(main)
