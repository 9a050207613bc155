"""Test results as JUnit XML, which CI systems read."""

import re
from collections.abc import Sequence
from xml.etree import ElementTree

Case = tuple[str, str, int, int, Sequence[str] | None]
"""File, name, line, µs that it took, and the lines of its failure."""

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def report(cases: Sequence[Case]) -> bytes:
    """One suite for each file, in the order of the cases."""
    suites = ElementTree.Element("testsuites", _totals("nonevent", cases))
    for file in dict.fromkeys(file for file, *_ in cases):
        of_file = [case for case in cases if case[0] == file]
        suite = ElementTree.SubElement(suites, "testsuite", _totals(file, of_file))
        for _, name, line, took, failure in of_file:
            where = {"classname": _clean(file), "file": _clean(file), "line": str(line)}
            attributes = {**where, "name": _clean(name), "time": _seconds(took)}
            case = ElementTree.SubElement(suite, "testcase", attributes)
            if failure is not None:
                first = next((line for line in failure if line[:1] in "+-"), failure[0])
                told = {"type": "findings", "message": _clean(first)}
                ElementTree.SubElement(case, "failure", told).text = _clean("\n".join(failure))
    ElementTree.indent(suites)
    written: bytes = ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _totals(name: str, cases: Sequence[Case]) -> dict[str, str]:
    return {
        "name": _clean(name),
        "tests": str(len(cases)),
        "failures": str(sum(failure is not None for *_, failure in cases)),
        "errors": "0",
        "time": _seconds(sum(case[3] for case in cases)),
    }


def _seconds(us: int) -> str:
    return f"{us / 1e6:.6f}"


def _clean(text: str) -> str:
    """XML has no way to say some characters."""
    return _FORBIDDEN.sub("\ufffd", text)
