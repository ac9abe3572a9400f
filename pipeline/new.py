"""`python -m pipeline.new NAME`: writes a params.yaml for your own pictures, with a preset's values and none
of the demo's. Saves the old params.yaml under another name. In a terminal it asks for what no flag says.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from glob import escape
from pathlib import Path

from pipeline.command import run
from pipeline.config.compose import EXPERIMENT, PARAMS, options
from pipeline.config.own_params import WITH_CLASS, base_options, keep, params_text
from pipeline.errors import UserError
from pipeline.files.atomic import write_text
from pipeline.new_answers import problems

TAGGER = "SmilingWolf/wd-swinv2-tagger-v3"
BASE_HELP = (
    "an option of conf/base/ (sd15, sdxl, tiny ...), a hub name, or a checkpoint's path (default: sd15)"
)
CLASS_HELP = f"what it is one of (woman, dog); for the kinds {' and '.join(WITH_CLASS)}"
QUESTIONS = {
    "base": "Base ({bases}, or the path of a checkpoint or diffusers folder)",
    "kind": "What is trained ({kinds})",
    "trigger": "Word that calls it up in prompts",
    "pictures": "Folder of the pictures",
    "tagger": "Tagger (a WD14 folder, a hub name, or none)",
}


def kinds() -> list[str]:
    """The presets for a thing to train."""
    return options(EXPERIMENT)


def defaults(name: str) -> dict[str, str]:
    """Default answers."""
    numbered = sorted(path for path in Path("pictures").glob(f"*_{escape(name)}") if path.is_dir())
    folder = numbered[0] if numbered else Path("pictures") / name
    return {
        "base": "sd15",
        "kind": "character",
        "trigger": name,
        "pictures": folder.as_posix(),
        "tagger": TAGGER,
    }


def answers(name: str, flags: Mapping[str, str | None]) -> dict[str, str]:
    """Answers from flags; else from a person at a terminal; else the defaults."""
    given = {}
    for key, default in defaults(name).items():
        answer = flags[key]
        if answer is None and sys.stdin.isatty():
            answer = _asked(_question(key), default)
        given[key] = default if answer is None else answer
    return given


def _question(key: str) -> str:
    return QUESTIONS[key].format(bases=", ".join(base_options()), kinds=", ".join(kinds()))


def _asked(question: str, default: str) -> str:
    try:
        return input(f"{question} [{default}]: ").strip() or default
    except (EOFError, KeyboardInterrupt):
        print()  # the question's line ends
        raise UserError(
            "you stopped at a question, so nothing was written; answer all of them, or use flags"
            " (`python -m pipeline.new --help`)"
        ) from None


def next_steps(given: Mapping[str, str]) -> str:
    """What to do next."""
    folder = Path(given["pictures"])
    first = (
        "" if folder.exists() else f"  put your pictures into {folder}/ (captions: `.txt` of the same name)\n"
    )
    return (
        f"{first}  python -m stages.train --plan    # how many steps, how long, without training\n"
        "  dvc repro                         # run it"
    )


def keep_old(new: bytes) -> None:
    """Saves the old params.yaml, unless it equals the new one."""
    if PARAMS.is_dir():
        raise UserError(f"{PARAMS} is a folder; move it away")
    if PARAMS.exists() and (old := PARAMS.read_bytes()) != new:
        kept = keep(PARAMS, old)
        print(f"The old {PARAMS} is saved as {kept}; `cp {kept} {PARAMS}` restores it.")


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.new", description=__doc__)
    parser.add_argument("name", help="name of the files to make: myname")
    parser.add_argument("--base", help=BASE_HELP)
    parser.add_argument("--kind", help=f"{', '.join(kinds())} (default: character)")
    parser.add_argument("--trigger", help="word that calls it up in prompts (default: the name)")
    parser.add_argument(
        "--pictures", metavar="FOLDER", help="default: pictures/<number>_NAME, or pictures/NAME"
    )
    parser.add_argument("--tagger", help=f"a WD14 folder, a hub name, or none (default: {TAGGER})")
    parser.add_argument("--class", dest="noun", help=CLASS_HELP)
    chosen = parser.parse_args(arguments)
    given = answers(chosen.name, {key: getattr(chosen, key) for key in QUESTIONS})
    is_usual_folder = given["pictures"] == defaults(chosen.name)["pictures"]
    if wrong := problems(chosen.name, given, chosen.noun, kinds(), is_usual_folder):
        raise UserError(*wrong)
    new = params_text(chosen.name, given, chosen.noun)
    keep_old(new.encode())
    write_text(PARAMS, new)
    print(f"{PARAMS} is written. Next:\n{next_steps(given)}")


if __name__ == "__main__":
    run(main)
