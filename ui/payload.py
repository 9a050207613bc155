"""Payloads laid out for reading, without changing a single token of them."""

import re

DEEPEST_INDENT = 24
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^"{}\[\],:\s]+|"', re.DOTALL)


def indented(json_text: str) -> str:
    """JSON with one field a line. Duplicate fields, number forms and escapes stay as they came.

    Works on tokens, not on values: parsing and printing again would hide exactly the oddities
    that one reads a payload for. Broken JSON comes out broken.
    """
    lines: list[str] = [""]
    depth = 0
    previous = ""
    for token in TOKEN.findall(json_text):
        if token in ("}", "]"):
            depth = max(0, depth - 1)
        if _begins_line(previous, token):
            # Capped: a payload of brackets alone would grow to its square.
            lines.append("  " * min(depth, DEEPEST_INDENT))
        lines[-1] += _spaced(previous, token)
        if token in ("{", "["):
            depth += 1
        previous = token
    return "\n".join(lines)


def _begins_line(previous: str, token: str) -> bool:
    empty = previous + token in ("{}", "[]")
    opened = previous in ("{", "[")
    closes = token in ("}", "]") and previous != ""
    return not empty and (opened or previous == "," or closes)


def _spaced(previous: str, token: str) -> str:
    structural = {"{", "}", "[", "]", ",", ":", ""}
    apart = previous == ":" or (previous not in structural and token not in structural)
    return f" {token}" if apart else token
