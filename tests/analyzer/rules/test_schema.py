"""The schema for editors: what the loader takes is valid, and what is misspelt is not."""

from pathlib import Path

import jsonschema
import msgspec
import pytest

from analyzer.rules.expectation import COMMON, KINDS
from analyzer.rules.located import parse
from analyzer.rules.schema import TYPES, rule_schema

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
GOOD = sorted((*(HERE / "good").glob("*.yaml"), *(ROOT / "expectations").glob("*.yaml")))
SHIPPED = ROOT / "docs" / "rule-file.schema.json"
WRONG = ("unknown-keys", "wrong-version", "choices", "windows", "events-and-services", "a-list")


def read(path: Path) -> object:
    """As the loader reads it, which makes no moments of texts."""
    return parse(path.read_bytes(), lambda place, what: None).plain()


@pytest.mark.parametrize("path", GOOD, ids=[path.stem for path in GOOD])
def test_every_good_rule_file_is_valid(path: Path) -> None:
    jsonschema.validate(read(path), rule_schema())


@pytest.mark.parametrize("name", WRONG)
def test_misspelt_keys_and_wrong_types_are_not_valid(name: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(read(HERE / "bad" / f"{name}.yaml"), rule_schema())


def test_every_key_of_every_kind_has_a_type_and_every_type_is_somebodys() -> None:
    keys = {key for kind in KINDS for key in (*kind.needs, *kind.takes)} | set(COMMON)
    assert keys == set(TYPES)


def test_what_is_shipped_is_what_the_tables_say() -> None:
    """To write it anew: `nonevent schema > docs/rule-file.schema.json`."""
    assert msgspec.json.decode(SHIPPED.read_bytes()) == rule_schema()
    jsonschema.Draft202012Validator.check_schema(rule_schema())
