"""One action on many captions: what it would change, shown first, then written as one step."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.captions.caption import CaptionWriter
from pipeline.captions.edit_text import value_of
from pipeline.captions.edits import Edit, EditsOf
from pipeline.captions.finished import Caption
from pipeline.errors import UserError
from pipeline.workbench.actions import EntryOf, TagAction, entry_after
from pipeline.workbench.board import Board
from pipeline.workbench.captions import LiveCaptions
from pipeline.workbench.matching import tokens_of

MOST_PREVIEWED = 20
MOST_CAPTION_TOKENS = 75
FIND_SECONDS = 1.0
"""Most time that a regular expression may take, over all captions."""
START_SECONDS = 4.0
"""And for the process that runs it to begin, on a busy machine."""
FINDER = Path(__file__).with_name("find_process.py")


@dataclass
class BulkPlan:
    """`changes`: entries by name, None for none; `before` and `after`: captions of the first pictures."""

    changes: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    shown: list[tuple[str, Caption, Caption]] = field(default_factory=list)


def planned(
    board: Board, ids: Sequence[str], action: TagAction | Mapping[str, TagAction], rule: str | None = None
) -> BulkPlan:
    """`action`: one for all, or by id; `rule`: a pattern that one entry is written for, instead of one a
    picture.
    """
    live = _captions(board)
    edits = board.edits()
    board.freshen(ids)
    known = [name for name in dict.fromkeys(ids) if name in live.captions]
    plan = BulkPlan()
    if rule is not None and isinstance(action, TagAction):
        plan.changes[rule] = _rule_entry(edits, rule, action)
    else:
        for name, new in _entries(live, edits, known, action):
            plan.changes[name] = None if new is None else value_of(new)
    changed = known if rule is not None else list(plan.changes)
    plan.shown = _shown(live, _after(edits, plan.changes), changed[:MOST_PREVIEWED])
    return plan


def _captions(board: Board) -> LiveCaptions:
    if board.captions is None:
        raise UserError("there are no tags yet; `dvc repro tag` makes them")
    return board.captions


def _entries(
    live: LiveCaptions,
    edits: Sequence[Edit],
    names: Sequence[str],
    action: TagAction | Mapping[str, TagAction],
) -> Iterator[tuple[str, Edit | None]]:
    """Entries that the action changes."""
    own = {edit.target: edit for edit in edits}
    theirs = live.theirs if edits is live.edits else EditsOf(edits, live.rows.starts)
    for name in names:
        edit = own.get(name, Edit(name))

        def under(other: Edit, name: str = name) -> Caption:
            (_, row), *_ = live.rows.of([name])
            several = [other if each.target == name else each for each in theirs(name)]
            return live.writer.caption(row, several if other in several else [*several, other])

        entry = EntryOf(edit, live.captions[name], under, live.writer.separators)
        new = entry_after(action if isinstance(action, TagAction) else action[name], entry)
        if new != own.get(name):
            yield name, new


def _rule_entry(edits: Sequence[Edit], rule: str, action: TagAction) -> dict[str, Any]:
    """The pattern's entry with the action added to it."""
    old = next((value_of(edit) for edit in edits if edit.target == rule), {})
    if action.kind in ("add", "remove"):
        return {**old, action.kind: list(dict.fromkeys([*old.get(action.kind, []), *action.tags]))}
    if action.kind == "replace":
        new = action.new[0] if len(action.new) == 1 else list(action.new)
        return {**old, "replace": {**old.get("replace", {}), action.tags[0]: new}}
    raise UserError("only adding, removing and replacing can be a rule")


def _after(edits: Sequence[Edit], changes: Mapping[str, Any]) -> list[Edit]:
    from pipeline.captions.edit_file import edit_of

    kept = [edit_of(e.target, changes[e.target]) if changes.get(e.target) else e for e in edits]
    left = [edit for edit in kept if changes.get(edit.target, True) is not None]
    known = {edit.target for edit in edits}
    return [*left, *(edit_of(name, value) for name, value in changes.items() if value and name not in known)]


def _shown(
    live: LiveCaptions, after: Sequence[Edit], names: Sequence[str]
) -> list[tuple[str, Caption, Caption]]:
    return [(name, live.captions[name], new) for name, new in live.written(names, after)]


def previewed(plan: BulkPlan) -> dict[str, Any]:
    """For the page."""
    return {
        "changed": len(plan.changes),
        "pictures": [
            {
                "id": name,
                "before": before.text,
                "after": after.text,
                "gone": [tag for tag in before.kept if tag not in after.kept],
                "new": [tag for tag in after.kept if tag not in before.kept],
                "warnings": list(_warnings(before, after)),
            }
            for name, before, after in sorted(plan.shown)
        ],
    }


def _warnings(before: Caption, after: Caption) -> Iterator[str]:
    if (tokens := tokens_of(after)) > MOST_CAPTION_TOKENS:
        yield f"{tokens} tokens, over {MOST_CAPTION_TOKENS}: what is beyond may be cut off"
    if before.trigger and before.trigger in before.kept and before.trigger not in after.kept:
        yield f"the trigger {before.trigger} is gone"
    if not after.text:
        yield "the caption is empty"


def found_and_replaced(texts: Mapping[str, str], find: str, new: str) -> dict[str, str]:
    """Each text with the regular expression's matches replaced, those that change; in a process of its own,
    since Python cannot stop one that takes for ever.
    """
    asked = json.dumps({"texts": dict(texts), "find": find, "new": new, "seconds": FIND_SECONDS})
    command = [sys.executable, "-I", "-S", str(FINDER)]
    try:
        ended = subprocess.run(
            command,
            input=asked.encode(),
            capture_output=True,
            timeout=FIND_SECONDS + START_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"{find} takes longer than {FIND_SECONDS:g} s; write it more simply") from None
    if ended.returncode:
        said = ended.stderr.decode(errors="replace").strip().splitlines()
        reason = said[-1] if ended.returncode == 2 and said else f"it takes longer than {FIND_SECONDS:g} s"
        raise UserError(f"{find}: {reason}; correct the regular expression")
    found: dict[str, str] = json.loads(ended.stdout)
    return found


def writer_of(board: Board) -> CaptionWriter:
    return _captions(board).writer
