"""Rule files, good and bad: what is said of them, all at once, and where it points.

Each `good/NAME.yaml` loads without errors; what it is warned of stands in `good/NAME.txt`.
Each `bad/NAME.yaml` has its errors and warnings in `bad/NAME.txt`, one `line:col: message` a line.

To write these expectations anew after a message or a file has changed, and then read the diff:

    REWRITE=1 .venv/bin/python -m pytest tests/analyzer/rules
"""

import difflib
import os
import random
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.rules.checker import MOST_TOLD
from analyzer.rules.loader import RuleError, check, load
from analyzer.rules.ruleset import RuleSet
from analyzer.trial import run_test
from collector.errors import ConfigurationError
from tests.examples import examples

HERE = Path(__file__).parent
GOOD = sorted((HERE / "good").glob("*.yaml"))
BAD = sorted((HERE / "bad").glob("*.yaml"))


def told(path: Path) -> str:
    """Every problem of one file, a line each, without the file's name."""
    _, problems = check([path])
    lines = [str(problem).removeprefix(f"{path}:") for problem in problems]
    return "".join(f"{line}\n" for line in lines)


def compare(path: Path) -> str:
    golden, said = path.with_suffix(".txt"), told(path)
    if os.environ.get("REWRITE"):
        golden.unlink(missing_ok=True)
        if said:
            golden.write_text(said)
    expected = golden.read_text() if golden.exists() else ""
    assert said == expected
    return said


@pytest.mark.parametrize("path", GOOD, ids=[path.stem for path in GOOD])
def test_a_good_file_loads_and_its_own_tests_pass(path: Path) -> None:
    for line in compare(path).splitlines():
        assert ": warning: " in line
    (file,) = load([path]).files
    for test in file.tests:
        assert run_test(file, test).passed, test.name


@pytest.mark.parametrize("path", BAD, ids=[path.stem for path in BAD])
def test_of_a_bad_file_every_mistake_is_told_at_once_with_its_place(path: Path) -> None:
    said = compare(path)
    assert [line for line in said.splitlines() if ": warning: " not in line]
    with pytest.raises(RuleError) as refused:
        load([path])
    assert refused.value.exit_code == 2
    assert str(refused.value).startswith(f"{path}:")


@pytest.mark.parametrize("path", BAD, ids=[path.stem for path in BAD])
def test_every_mistake_is_told_once_and_in_the_order_of_the_file(path: Path) -> None:
    _, problems = check([path])
    places = [(problem.place.line, problem.place.column) for problem in problems]
    assert places == sorted(places)
    assert len(set(map(str, problems))) == len(problems)


HEAD = b"version: 1\nflow: order\nbegins: a\nends: "
TOO_MUCH = {
    "larger than a megabyte": (
        HEAD + b"b\n" + b"# padding\n" * 110_000,
        "1:1: larger than 1000 kB: that is no rule file",
    ),
    "brackets without end": (HEAD + b"[" * 10_000, "4:36: nested deeper than 30"),
    "mappings without end": (HEAD + b"{a: " * 10_000, "4:123: nested deeper than 30"),
    "fifty megabytes": (b"#" * 50_000_000, "1:1: larger than 1000 kB: that is no rule file"),
    "a key without end": (HEAD + b"b\n" + b"k" * 100_000 + b": 1", "5:100001: this is not YAML"),
    "digits without end": (HEAD + b"9" * 5_000, "4:7: this value cannot be read"),
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_what_is_too_large_or_too_deep_is_refused(name: str, tmp_path: Path) -> None:
    content, said = TOO_MUCH[name]
    path = tmp_path / "rules.yaml"
    path.write_bytes(content)
    (line,) = told(path).splitlines()
    assert line.startswith(said)
    assert len(line) < 200


def test_of_a_file_without_end_no_more_is_read_than_shows_it(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.symlink_to("/dev/zero")
    assert told(path) == "1:1: larger than 1000 kB: that is no rule file\n"


def test_a_text_of_another_kind_has_its_first_mistakes_told_and_the_others_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[str] = []
    near = difflib.get_close_matches
    monkeypatch.setattr(
        difflib,
        "get_close_matches",
        lambda *given, **how: searched.append(1) or near(*given, **how),
    )
    path = tmp_path / "rules.yaml"
    path.write_bytes(HEAD + b"b\n" + b"".join(b"key%d: 1\n" % n for n in range(5_000)))
    lines = told(path).splitlines()
    assert len(lines) == MOST_TOLD + 1
    assert lines[-1].endswith("and 4,900 more; mend these first")
    assert 0 < len(searched) <= MOST_TOLD + 1


def test_a_list_of_very_many_names_is_gone_through_once(tmp_path: Path) -> None:
    names = b",".join(b"n%d" % n for n in range(30_000))
    path = tmp_path / "rules.yaml"
    rule = b"b\nexpectations: [{after: a, expect: [" + names + b", n7], within: 1s}]\n"
    path.write_bytes(HEAD + rule)
    (line,) = told(path).splitlines()
    assert line.endswith("`n7` stands in this list twice")


def test_two_files_cannot_declare_one_flow(tmp_path: Path) -> None:
    text = "version: 1\nflow: order\nbegins: order.created\n"
    first, second = tmp_path / "a.yaml", tmp_path / "b.yml"
    first.write_text(text)
    second.write_text(text + "oops: 1\n")
    _, problems = check([tmp_path])
    assert [str(problem) for problem in problems] == [
        f"{second}:4:1: `oops` is not known at the top of a rule file",
        f"{second}:1:1: the flow `order` is declared in {first} already",
    ]


def test_a_file_that_is_named_beside_its_folder_is_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("version: 1\nflow: order\nbegins: order.created\n")
    files, problems = check([tmp_path, path, path])
    assert (len(files), problems) == (1, [])


def test_the_mistakes_of_all_files_are_told_together(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("a.yaml", "b.yml", "deep/c.yaml", "ignored.txt"):
        (tmp_path / name).write_text("version: 3\n")
    with pytest.raises(RuleError) as refused:
        load([tmp_path])
    assert {problem.path.name for problem in refused.value.problems} == {
        "a.yaml", "b.yml", "c.yaml",
    }  # fmt: skip


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"no rule file or folder at {tmp_path}/gone"):
        check([tmp_path / "gone"])


def test_a_folder_named_like_a_rule_file_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").mkdir()
    files, problems = check([tmp_path])
    assert files == []
    (problem,) = problems
    assert str(problem) == f"{tmp_path / 'odd.yaml'}:1:1: cannot be read: Is a directory"


def test_a_version_tells_a_changed_expectation_from_an_unchanged_one(tmp_path: Path) -> None:
    head = "version: 1\nflow: order\nbegins: a\nends: z\nexpectations:\n"

    def version(rule: str) -> str:
        path = tmp_path / "rules.yaml"
        path.write_text(head + rule)
        (rule_read,) = load([path]).by_name.values()
        return rule_read.options.version

    one = version("  - {name: r, after: a, expect: b, within: 5s}\n")
    assert version("  - within: 5s\n    expect: b\n    after: a\n    name: r # moved\n") == one
    assert version("  - {name: r, after: a, expect: b, within: 6s}\n") != one


def test_without_a_name_an_expectation_is_called_by_its_sentence(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    undo = b"{after: a, undo: {x: [ux, vx], y: uy}, within: 5s}"
    path.write_bytes(
        HEAD + b"z\nexpectations: [{after: [a, b], expect: c, within: 5s}, " + undo + b"]"
    )
    assert [one.options.name for one in load([path]).by_name.values()] == [
        "after a, b expect c within 5s", "after a undo x ux or vx, y uy within 5s",
    ]  # fmt: skip


# Anything at all

TEXTS = [path.read_bytes() for path in (*GOOD, *BAD)]


@settings(max_examples=examples(75))
@given(st.sampled_from(TEXTS), st.randoms(use_true_random=False), st.binary(max_size=4))
def test_a_file_with_any_accident_is_read_or_told_of_and_never_crashes(
    text: bytes, chance: random.Random, accident: bytes
) -> None:
    start = chance.randrange(len(text) + 1)
    end = min(len(text), start + chance.choice((0, 1, 4, 40)))
    said = _told_of(text[:start] + accident + text[end:])
    assert isinstance(said, RuleSet) or said.problems


@settings(max_examples=examples(50))
@given(st.text(max_size=80) | st.binary(max_size=80))
def test_any_text_is_read_or_told_of(text: str | bytes) -> None:
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    said = _told_of(raw)
    assert isinstance(said, RuleSet) or said.problems


def _told_of(raw: bytes) -> RuleSet | RuleError:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rules.yaml"
        path.write_bytes(raw)
        try:
            return load([path])
        except RuleError as error:
            return error
