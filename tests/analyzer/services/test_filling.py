"""Learned services fill the gaps that declared ones leave, and never more."""

from __future__ import annotations

from pathlib import Path

import msgspec

from analyzer.rules.loader import load
from analyzer.rules.ruleset import RuleFile
from analyzer.services.filling import learned_services, services_for
from analyzer.services.learned import Confidence, Learned


def learned(
    group: str, consumes: str, emits: str, sure: Confidence = "possible", *confused: str
) -> Learned:
    return Learned("bus", group, consumes, emits, sure, 10, 0, 90, confused)


def rules(folder: Path, services: dict[str, object], **head: object) -> RuleFile:
    path = folder / f"{len(list(folder.iterdir()))}.yaml"
    rule = {"name": "r", "after": "A", "expect": "B", "within": "5s"}
    path.write_bytes(
        msgspec.json.encode({"version": 1, "flow": path.stem, "begins": "A", "services": services,
                             "expectations": [rule], **head})
    )  # fmt: skip
    return load([path]).files[0]


def test_a_group_that_is_declared_is_what_it_is_declared_to_be(tmp_path: Path) -> None:
    file = rules(tmp_path, {"pay": {"group": "payment", "consumes": "A", "emits": "B"}})
    other = rules(tmp_path, {})
    known = [learned("payment", "A", "N"), learned("stock", "B", "C")]
    (found,) = learned_services([file, other], known)
    assert (found.name, found.groups, found.consumes, found.emits) == (
        "stock", ("stock",), ("B",), ("C",)
    )  # fmt: skip
    assert services_for(file, [found]) == (*file.services, found)
    assert services_for(other, [found]) == (found,)


def test_a_step_that_is_declared_is_nobody_elses(tmp_path: Path) -> None:
    file = rules(tmp_path, {"pay": {"group": "payment", "consumes": "A", "emits": ["B", "N"]}})
    known = [learned("audit", "A", "B", "likely"), learned("audit", "A", "Z")]
    (found,) = learned_services([file], known)
    assert found.emits == ("Z",)


def test_what_comes_of_one_event_is_one_service_and_the_likely_come_first(tmp_path: Path) -> None:
    file = rules(tmp_path, {})
    known = [
        learned("a", "A", "B"), learned("b", "A", "B", "likely"), learned("b", "A", "N"),
        learned("b", "C", "D"),
    ]  # fmt: skip
    found = learned_services([file], known)
    assert [(one.name, one.consumes, one.emits) for one in found] == [
        ("b", ("A",), ("B", "N")), ("a", ("A",), ("B",)), ("b", ("C",), ("D",))
    ]  # fmt: skip


def test_of_those_that_cannot_be_told_apart_none_tells_why(tmp_path: Path) -> None:
    file = rules(tmp_path, {})
    confused = [learned("a", "A", "B", "possible", "b"), learned("b", "A", "B", "possible", "a")]
    assert services_for(file, learned_services([file], confused)) == ()
    # Unless it is likely that it answers in another way.
    known = [*confused, learned("a", "A", "N", "likely")]
    (found,) = services_for(file, learned_services([file], known))
    assert (found.name, found.emits) == ("a", ("B", "N"))


def test_what_is_called_otherwise_in_a_file_is_not_meant_there(tmp_path: Path) -> None:
    file = rules(tmp_path, {}, events={"B": {"name": "C"}})
    known = learned_services([file], [learned("a", "A", "B"), learned("b", "A", "C")])
    assert [one.name for one in services_for(file, known)] == ["b"]
