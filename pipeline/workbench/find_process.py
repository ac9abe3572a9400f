"""Run as a process by bulk.py: replaces matches of a regular expression, and is stopped by its own alarm."""

import json
import re
import signal
import sys


def main() -> None:
    asked = json.load(sys.stdin)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, asked["seconds"])
    try:
        pattern = re.compile(asked["find"])
        made = {name: pattern.sub(asked["new"], text) for name, text in asked["texts"].items()}
    except (re.error, IndexError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    json.dump({name: text for name, text in made.items() if text != asked["texts"][name]}, sys.stdout)


if __name__ == "__main__":
    main()
