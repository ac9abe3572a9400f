"""What a captioner wrote, as one tidy line. Pure."""

import re

from pipeline.texts.lines import without_control_characters

SENTENCE_END = re.compile(r"[.!?](?=\s|$)")


def tidy_answer(text: str, is_cut: bool = False) -> str:
    """One line without quotes around it. is_cut: the limit ended it, so it ends with its last full sentence,
    or with its last full part before a comma.
    """
    line = " ".join(without_control_characters(text).split())
    if is_cut:
        line = _whole_part(line)
    if len(line) > 1 and line[0] == line[-1] == '"' and '"' not in line[1:-1]:
        line = line[1:-1].strip()
    return line


def _whole_part(line: str) -> str:
    ends = [match.end() for match in SENTENCE_END.finditer(line)]
    if ends:
        return line[: ends[-1]]
    whole, _, _ = line.rpartition(",")
    return whole or line
