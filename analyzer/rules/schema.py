"""The JSON Schema of rule files, for editors: made of the same tables as the loader.

It knows keys and types; what is meant, and whether conditions are CEL, only `nonevent check` says.
"""

from collections.abc import Iterable
from typing import Any

from analyzer.rules.expectation import COMMON, KINDS, SEVERITIES
from analyzer.rules.kind import Kind
from analyzer.rules.services import KEYS as SERVICE_KEYS
from analyzer.rules.tests import COMMIT_KEYS, EVENT_KEYS, FINDING_KEYS

Schema = dict[str, Any]

_DURATION = {"type": "string", "pattern": r"^\s*[0-9]{1,15}(\.[0-9]{1,15})?(ms|s|m|h|d)\s*$"}
_NAMES = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"},
                                         "minItems": 1, "uniqueItems": True}]}  # fmt: skip
_TEXT = {"type": "string", "minLength": 1}
_CEL = {"type": "string", "minLength": 1, "description": "CEL over `event` and `cause`"}
_NUMBER = {"type": "integer", "minimum": 0}
_NUMBERS = {"type": "object", "additionalProperties": _NUMBER, "minProperties": 1}
_TEXTS = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
_LISTED = {**_NAMES, "description": "two names or more"}


def _mapping(keys: dict[str, Schema], needs: Iterable[str] = ()) -> Schema:
    return {
        "type": "object",
        "properties": keys,
        "required": list(needs),
        "additionalProperties": False,
    }


TYPES: dict[str, Schema] = {
    **dict.fromkeys(("name", "about", "runbook"), _TEXT),
    **dict.fromkeys(("where", "such_that", "agree", "by", "for_each"), _CEL),
    **dict.fromkeys(
        ("within", "skew", "grace", "per", "compared_to", "for", "keep_firing_for"), _DURATION
    ),
    **dict.fromkeys(("p50", "p75", "p90", "p95", "p99", "p999"), _DURATION),
    **dict.fromkeys(("after", "never", "next", "before", "require", "until", "once"), _NAMES),
    **dict.fromkeys(("rate", "retries", "handled", "groups"), _NAMES),
    **dict.fromkeys(("order", "together", "either"), _LISTED),
    "same": {"anyOf": [_CEL, {"type": "array", "items": _CEL}]},
    "unless": {"anyOf": [_NAMES, _mapping({"name": _NAMES, "where": _CEL}, ["name"])]},
    "copies": {"enum": ["count"]},
    "match": {"enum": ["any", "each"]},
    "in": {"enum": ["reverse"]},
    "severity": {"enum": list(SEVERITIES), "default": "warning"},
    "labels": _TEXTS,
    "group_by": {
        "anyOf": [
            _CEL,
            {"type": "array", "items": _CEL},
            {"type": "object", "additionalProperties": _CEL},
        ]
    },
    "enabled": {"type": "boolean"},
    "expect": {"anyOf": [_NAMES, _mapping({"all": _NAMES}, ["all"])]},
    "exactly": _NUMBERS,
    "at_least": {"anyOf": [_NUMBER, _NUMBERS]},
    "at_most": {
        "anyOf": [
            _NUMBER,
            _NUMBERS,
            _DURATION,
            {"type": "string", "pattern": r"^\s*[0-9]{1,9}\s*events?\s*$"},
        ]
    },
    "lag": {"type": "string", "minLength": 1, "description": "a consumer group"},
    "topic": _NAMES,
    "undo": {"type": "object", "additionalProperties": _NAMES, "minProperties": 1},
    "across": {"anyOf": [_LISTED, {"type": "object", "additionalProperties": _CEL}]},
    "tolerance": {"anyOf": [{"type": "number"}, {"type": "string", "pattern": "^[0-9.]+ *%?$"}]},
    "every": {"type": "string", "description": "a cron line, such as `0 2 * * *`, or @daily"},
    "tz": {"type": "string", "description": "a time zone, such as Europe/Berlin"},
    "during": {"type": "string", "description": "such as `Mon-Fri 08:00-20:00`"},
    "drop": {"type": "string", "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*%$"},
    "each_of": {"type": "array", "minItems": 1},
    "latency": _mapping({"from": _NAMES, "to": _NAMES}, ["from", "to"]),
}
"""By key, what may stand there; of a key that means several things, all of them."""


def rule_schema() -> Schema:
    """Of a whole file."""
    head: dict[str, Schema] = {
        "version": {"const": 1},
        "flow": _TEXT,
        "about": _TEXT,
        "begins": _NAMES,
        "ends": _NAMES,
        "within": _DURATION,
        "skew": _DURATION,
        "grace": _DURATION,
        "events": {
            "type": "object",
            "additionalProperties": {
                **_mapping({"topic": _NAMES, "name": _NAMES, "where": _CEL}),
                "minProperties": 1,
            },
        },
        "services": {
            "type": "object",
            "additionalProperties": _mapping(
                dict.fromkeys(SERVICE_KEYS, _NAMES), ["group", "consumes"]
            ),
        },
        "expectations": {"type": "array", "items": {"anyOf": [_kind(kind) for kind in KINDS]}},
        "tests": {"type": "array", "items": _test()},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "nonevent rule file",
        **_mapping(head, ["version"]),
        "$defs": TYPES,
    }


def _kind(kind: Kind) -> Schema:
    keys = dict.fromkeys((*kind.needs, *kind.takes, *COMMON))
    types: dict[str, Schema] = {key: {"$ref": f"#/$defs/{key}"} for key in keys}
    return {"title": kind.name, **_mapping(types, kind.needs)}


def _test() -> Schema:
    anything: Schema = {}
    event = {
        **dict.fromkeys(EVENT_KEYS, anything),
        "at": _DURATION, "name": _TEXT, "arrives": _DURATION, "partition": _NUMBER,
    }  # fmt: skip
    commit: dict[str, Schema] = {
        **dict.fromkeys(COMMIT_KEYS, _TEXT),
        **dict.fromkeys(("offset", "partition", "end"), _NUMBER),
        "at": _DURATION,
    }
    keys: dict[str, Schema] = {
        "name": _TEXT,
        "start": {"type": "string"},
        "events": {"type": "array", "items": _mapping(event, ["at", "name"])},
        "commits": {"type": "array", "items": _mapping(commit, ["at", "group"])},
        "until": _DURATION,
        "findings": {"type": "array", "items": _mapping(dict.fromkeys(FINDING_KEYS, _TEXT))},
        "no_findings": {"const": True},
        "others": {"enum": ["allowed"]},
    }
    return _mapping(keys, ["name", "until"])
