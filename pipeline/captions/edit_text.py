"""Writes data/tag_edits.yaml: an entry changes, all other lines and all comments stay."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pipeline.captions.edit_file import EDITS
from pipeline.captions.edits import Edit
from pipeline.files.atomic import write_text
from pipeline.files.text_file import MANUAL_EDITS, read_text
from pipeline.files.yaml_entries import NotIndexedError, flow, indexed, quoted, scalar
from pipeline.files.yaml_text import insist_on_bounds


def write_edits(edits: Sequence[Edit], path: Path = EDITS) -> None:
    """Writes `edits` into the file: each replaces the entry of the same name, or is added at the end. Other
    entries and comments stay.
    """
    text = read_text(path, MANUAL_EDITS) if path.exists() else ""
    insist_on_bounds(text, str(path), MANUAL_EDITS)
    try:
        entries = indexed(text)
    except NotIndexedError:
        write_text(path, rewritten(text, edits))
        return
    for edit in edits if len(dict.fromkeys(edit.target for edit in edits)) < len(edits) else ():
        entries = entries.changed({edit.target: entry_text(edit, entries.of(edit.target))})
    changes = {edit.target: entry_text(edit, entries.of(edit.target)) for edit in edits}
    write_text(path, entries.changed(changes).text)


def entry_text(edit: Edit, old: str | None = None) -> str:
    """The entry's lines; those of `old` that have comments stay where their keys do."""
    if old is not None and "#" in old:
        return rewritten(old, [edit])
    values = value_of(edit)
    whole = f"  set: {quoted(values.pop('set'))}\n" if "set" in values else ""
    lines = [whole, *(f"  {key}: {flow(value)}\n" for key, value in values.items())]
    return f"{scalar(edit.target)}:\n{''.join(lines)}"


def value_of(edit: Edit) -> dict[str, Any]:
    """The entry as the reader takes it; empty if the edit does nothing."""
    captions = {"captions": dict(edit.captions)} if edit.captions else {}
    if edit.set is not None:
        return {"set": edit.set, **captions}
    replace = {old: new[0] if len(new) == 1 else list(new) for old, new in edit.replace.items()}
    lists = {"replace": replace, "remove": list(edit.remove), "add": list(edit.add)}
    return {key: value for key, value in lists.items() if value} | captions


def rewritten(text: str, edits: Iterable[Edit]) -> str:
    """The whole text read and written again by ruamel.yaml: for any form of file, and slow."""
    from ruamel.yaml.comments import CommentedMap

    yaml, before = _keeping_yaml(), ""
    content = yaml.load(text)
    if not content:
        heading = [line for line in text.splitlines() if line.strip() != "{}"]
        content, before = CommentedMap(), "".join(f"{line}\n" for line in heading)
    for edit in edits:
        _put(content.setdefault(_quoted(edit.target), CommentedMap()), edit)
    out = io.StringIO()
    yaml.dump(content, out)
    return before + out.getvalue()


def _keeping_yaml() -> Any:
    """Keeps comments, quotes, lines, and the text of scalars."""
    from ruamel.yaml import YAML
    from ruamel.yaml.resolver import VersionedResolver

    class Texts(VersionedResolver):
        @property
        def versioned_resolver(self) -> dict[str, Any]:
            return {}

    yaml = YAML()
    yaml.Resolver, yaml.preserve_quotes, yaml.width = Texts, True, 1 << 16
    return yaml


def _put(entry: Any, edit: Edit) -> None:
    """Updates the entry key by key, so that the comments of other keys stay."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    captions = CommentedMap((kind, _quoted(text, always=True)) for kind, text in edit.captions.items())
    if edit.set is not None:
        entry.clear()
        entry["set"] = _quoted(edit.set, always=True)
        entry.update({"captions": captions} if captions else {})
        return
    pairs = ((_quoted(old), CommentedSeq(map(_quoted, new))) for old, new in edit.replace.items())
    replace = CommentedMap(pairs)
    lists = {"remove": edit.remove, "add": edit.add}
    values = {"replace": replace, **{key: CommentedSeq(map(_quoted, tags)) for key, tags in lists.items()}}
    values["captions"] = captions
    for key, value in values.items():
        if not value:
            entry.pop(key, None)
            continue
        if entry.get(key) == value:
            continue
        entry[key] = value
        value.fa.set_flow_style()
    entry.pop("set", None)


def _quoted(text: str, always: bool = False) -> Any:
    """In quotes where it needs them: ruamel.yaml writes `[a?]` and `[:d]`, which libyaml does not read."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    return DoubleQuotedScalarString(text) if always or scalar(text) != text else text
