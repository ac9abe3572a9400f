"""`python -m pipeline.workbench`: a page over this checkout, on 127.0.0.1, until Ctrl-C."""

import argparse
import os
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import UserError
from pipeline.typed_numbers import whole_number

DEFAULT_PORT, MOST_PORT = 7878, 65535


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m pipeline.workbench")
    made.add_argument(
        "--port",
        type=whole_number(0, MOST_PORT),
        default=DEFAULT_PORT,
        help="0: any that is free (default: %(default)s)",
    )
    made.add_argument(
        "--also-port",
        type=whole_number(1, MOST_PORT),
        action="append",
        default=[],
        metavar="N",
        help="the local end of an SSH forward to another port",
    )
    made.add_argument("--read-only", action="store_true", help="show everything, write nothing")
    made.add_argument("--no-browser", action="store_true", help="do not open a browser")
    return made


def main(arguments: Sequence[str]) -> None:
    options = parser().parse_args(arguments)
    if not Path("dvc.yaml").exists():
        raise UserError("there is no dvc.yaml here; type this in the folder of the project")
    from pipeline.workbench.guard import Guard
    from pipeline.workbench.instance import listening, note_address, only_one

    with only_one() as other:
        if other is not None:
            print(other or "a workbench of this checkout is starting; ask again")
            return
        sock = listening(options.port)
        port = sock.getsockname()[1]
        guard = Guard.new(frozenset([port, *options.also_port]), port, options.read_only)
        address = f"http://127.0.0.1:{port}/?token={guard.token}"
        note_address(address)
        print(address, flush=True)
        _invite(address, port, options.no_browser)
        from pipeline.workbench.serving import serve  # while the browser opens

        serve(sock, guard)


def _invite(address: str, port: int, is_quiet: bool) -> None:
    """Opens the page where there is a screen; over SSH says how to get there."""
    if os.environ.get("SSH_CONNECTION"):
        print(f"on your own computer: ssh -L {port}:127.0.0.1:{port} {os.uname().nodename}", flush=True)
    elif not is_quiet and (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or sys.platform == "darwin"
    ):
        webbrowser.open(address)


def run() -> None:
    try:
        main(sys.argv[1:])
    except UserError as error:
        print("\n".join(f"error: {problem}" for problem in error.problems), file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    run()
