"""The faults of the last `collect`, as it left them in gate.json, with the decisions since."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.config.graph_file import RESOLVED_PARAMS
from pipeline.errors import UserError
from pipeline.files.hashing import sha256_of_bytes
from pipeline.files.json_text import read_mapping
from pipeline.pictures.by_hand import glob
from pipeline.pictures.gate_file import GATE_FILE
from pipeline.pictures.left_out import BY_HAND_CHECK
from pipeline.schemas.collect import FATAL
from pipeline.workbench.desk import Desk
from pipeline.workbench.journal import number_of


class Gate:
    """`files`: of the pictures with faults, by a handle that the page may ask for."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.files = desk, dict[str, Path]()
        self.stamp, self.content = 0, dict[str, Any]()

    def refresh(self) -> None:
        stamp = GATE_FILE.stat().st_mtime_ns if GATE_FILE.exists() else 0
        if stamp == self.stamp:
            return
        self.content = read_mapping(GATE_FILE) if stamp else {}
        self.stamp = stamp
        self.files = {handle_of(name, path): Path(path) for name, path in self._pictures().items()}

    def _pictures(self) -> Mapping[str, str]:
        found: Mapping[str, str] = self.content.get("pictures", {})
        return found

    def shown(self) -> dict[str, Any]:
        """For the page."""
        self.refresh()
        waivers, left_out = self.desk.values("waivers"), self.desk.values("left_out")
        return {
            "ran": bool(self.stamp),
            "isOld": self._is_old(),
            "faults": [self._card(fault, waivers, left_out) for fault in self.content.get("faults", [])],
            "problems": self.content.get("problems", []),
            "unused": self.content.get("unused_waivers", []),
            "reasons": _last_reasons(waivers, left_out),
            "files": self.desk.hashes(),
            "undo": len(self.desk.journal.done),
            "redo": len(self.desk.journal.undone),
        }

    def _is_old(self) -> bool:
        """Whether the settings have changed since."""
        return RESOLVED_PARAMS.exists() and RESOLVED_PARAMS.stat().st_mtime_ns > self.stamp > 0

    def _card(
        self, fault: Mapping[str, Any], waivers: Mapping[str, Any], left: Mapping[str, Any]
    ) -> dict[str, Any]:
        name, check, paths = fault["id"], fault["check"], self._pictures()
        pair = [each for each in (name, fault.get("other")) if each]
        waived = next((entry[check] for entry in _naming(waivers, name) if check in entry), None)
        return {
            **fault,
            "canWaive": name is not None and check not in FATAL and check != BY_HAND_CHECK,
            "handles": {each: handle_of(each, paths[each]) for each in pair if each in paths},
            "waived": waived,
            "left": {each: reason for each in pair for reason in _naming(left, each)[:1]},
        }

    def waive(self, ids: list[str], check: str, reason: str, seen: str | None) -> str:
        """An entry a picture: what it waives already stays."""
        if check in FATAL:
            raise UserError(
                f"{check} cannot be waived: there is no usable picture; leave it out, or replace the file"
            )
        known = self.desk.values("waivers")
        changes = {name: {**known.get(name, {}), check: reason} for name in ids}
        said = f"{check} waived for {number_of(len(ids), 'picture')}"
        self.desk.write("waivers", changes, seen, said)
        return said

    def unwaive(self, ids: list[str], check: str, seen: str | None) -> str:
        """Takes waivers away; what else an entry waives stays."""
        known = self.desk.values("waivers")
        left = {
            name: {key: why for key, why in known[name].items() if key != check}
            for name in ids
            if name in known
        }
        said = f"{number_of(len(left), 'waiver')} of {check} deleted"
        self.desk.write("waivers", {name: entry or None for name, entry in left.items()}, seen, said)
        return said


def handle_of(name: str, path: str) -> str:
    """What the page calls a file that has no hash yet."""
    return sha256_of_bytes(f"{name}\0{path}".encode("utf-8", "surrogateescape"))


def _naming(entries: Mapping[str, Any], name: str | None) -> list[Any]:
    """Values of the entries that name a picture, its own first."""
    if name is None:
        return []
    if name in entries:
        return [entries[name]]
    return [value for pattern, value in entries.items() if glob(pattern).fullmatch(name)]


def _last_reasons(waivers: Mapping[str, Any], left_out: Mapping[str, Any]) -> list[str]:
    """The newest first: entries are added at the end."""
    texts = [reason for entry in waivers.values() for reason in entry.values()]
    return list(dict.fromkeys(map(str, reversed([*left_out.values(), *texts]))))[:8]
