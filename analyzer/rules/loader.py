"""Rule files from disk: read as a whole, all mistakes at once."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from analyzer.folds.fold import Fold
from analyzer.kinds.after_expect import AfterExpect
from analyzer.rules.checker import Checker, Problem
from analyzer.rules.events import read_naming
from analyzer.rules.expectation import Inherited, name_of, optional_duration, read_expectation, told
from analyzer.rules.fields import Fields
from analyzer.rules.kind import Expectation
from analyzer.rules.located import MAX_BYTES, Broken, Place, Value, parse
from analyzer.rules.rule import Names, Options, Rule
from analyzer.rules.ruleset import RuleFile, RuleSet
from analyzer.rules.services import read_services
from analyzer.rules.tests import RuleTest, read_test
from collector.errors import ConfigurationError
from collector.times import format_duration

HEAD = (
    "version", "flow", "about", "begins", "ends", "within", "events", "services", "expectations",
    "tests", "skew", "grace",
)  # fmt: skip


class RuleError(ConfigurationError):
    """Rule files with mistakes: its text is all of them, a line each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def load(paths: Iterable[Path]) -> RuleSet:
    """The rule set of these files and folders; raises RuleError with everything that is wrong."""
    files, problems = check(paths)
    errors = [problem for problem in problems if not problem.warning]
    if errors:
        raise RuleError(errors)
    return RuleSet.of(files)


def check(paths: Iterable[Path]) -> tuple[list[RuleFile], list[Problem]]:
    """Every file that could be read, and every mistake and warning in all of them."""
    files: list[RuleFile] = []
    problems: list[Problem] = []
    for path in rule_files(paths):
        checker = Checker(path)
        file = _read(path, checker)
        problems.extend(checker.sorted())
        if file is None:
            continue
        other = next((f for f in files if f.flow == file.flow), None)
        if other is not None:
            what = f"the flow `{file.flow}` is declared in {other.path} already"
            problems.append(Problem(path, Place(1, 1), what))
        files.append(file)
    return files, problems


def rule_files(paths: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted((*path.rglob("*.yaml"), *path.rglob("*.yml")))
        elif path.exists():
            found.append(path)
        else:
            raise ConfigurationError(f"no rule file or folder at {path}")
    # A file that is named besides its folder is one file.
    return list({path.resolve(): path for path in found}.values())


def _read(path: Path, checker: Checker) -> RuleFile | None:
    try:
        with path.open("rb") as file:
            # No more than shows that it is too large: it may be anything, and have no end.
            raw = file.read(MAX_BYTES + 1)
        document = parse(raw, checker.unreadable)
    except Broken as error:
        checker.error(error.place, str(error))
        return None
    except OSError as error:
        checker.error(Place(1, 1), f"cannot be read: {error.strerror}")
        return None
    if not isinstance(document.data, dict):
        checker.error(document.place, "a rule file begins with `version: 1` and `flow: NAME`")
        return None
    return _file(path, document, checker)


def _file(path: Path, document: Value, checker: Checker) -> RuleFile | None:
    document = checker.mended(document, HEAD, "at the top of a rule file")
    head = Fields(document, checker)
    version = head.get("version")
    if version is None or type(version.data) is not int or version.data != 1:
        checker.error(version.place if version else document.place, "expected `version: 1`")
    flow_value = head.get("flow")
    flow = checker.text(flow_value) if flow_value else None
    begins, ends = head.names("begins"), head.names("ends")
    within = head.duration("within")
    named = head.get("events")
    inherited = Inherited(
        optional_duration(head, "skew"), optional_duration(head, "grace"),
        None if named is None else named.plain(),
    )  # fmt: skip
    found = _expectations(head, checker, inherited, closes=bool(ends) or within is not None)
    folds = tuple(one for one in found if isinstance(one, Fold))
    rules = [one for one in found if not isinstance(one, Fold)]
    in_flows = not found or any(isinstance(one, Rule) and one.needs_begins() for one in found)
    if flow_value is None and (in_flows or begins):
        checker.error(document.place, "expected `flow: NAME`: what kind of work is this?")
    if flow_value is not None and "begins" not in head and in_flows:
        checker.error(flow_value.place, "expected `begins: NAME`: which event starts this flow?")
    if ends and within is not None and begins:
        rules.append(_unfinished(begins, ends, within, inherited))
    tests = _tests(head, checker)
    _check_test_names(tests, (*rules, *folds), head.get("expectations"), checker)
    about = head.get("about")
    file = RuleFile(
        path, flow or path.stem, begins, ends, within, tuple(rules), inherited.skew,
        inherited.grace, checker.text(about) if about else None, tests,
        read_naming(named, checker), read_services(head.get("services"), checker),
        folds, document,
    )  # fmt: skip
    _warn_of_unused(file, named, checker)
    return file


def _warn_of_unused(file: RuleFile, named: Value | None, checker: Checker) -> None:
    told = {*file.told(), *(n for s in file.services for n in (*s.consumes, *s.emits))}
    for meaning in () if file.naming is None else file.naming.meanings:
        if meaning.name not in told and named is not None and named.keys is not None:
            checker.warn(named.keys[meaning.name], f"nothing in this file names `{meaning.name}`")


def _unfinished(begins: Names, ends: Names, within: int, inherited: Inherited) -> Rule:
    """The implicit expectation of a file with both `ends` and `within`."""
    options = Options(
        name="unfinished", about="the flow ends in time", skew=inherited.skew,
        grace=inherited.grace, version=inherited.version(["unfinished", begins, ends, within]),
        kind="unfinished", sentence=f"begins {told(list(begins))} ends {told(list(ends))} "
        f"within {format_duration(within)}",
    )  # fmt: skip
    return AfterExpect(options, begins, (ends,), within, first_only=True)


def _expectations(
    head: Fields, checker: Checker, inherited: Inherited, *, closes: bool
) -> list[Expectation]:
    value = head.get("expectations")
    if value is None:
        return []
    if not isinstance(value.data, list):
        checker.error(value.place, "`expectations` is a list; begin each with a dash")
        return []
    found: list[Expectation] = []
    named: dict[str, int] = {"unfinished": 0} if closes else {}
    for item in value.data:
        rule = read_expectation(item, checker, inherited)
        name = name_of(item) if rule is None else rule.options.name
        if name is not None and name in named:
            first = f"the first is on line {named[name]}" if named[name] else "it is implicit"
            checker.error(item.place, f"two expectations are called `{name}`; {first}")
        if name is not None:
            named.setdefault(name, item.place.line)
        if rule is None:
            continue
        if isinstance(rule, Rule):
            _check_that_it_ends(rule, head.names("ends"), item.place, checker, closes=closes)
        found.append(rule)
    return found


def _check_that_it_ends(
    rule: Rule, ends: Names, place: Place, checker: Checker, *, closes: bool
) -> None:
    if rule.waits_for_end() and not closes:
        what = "could never be judged: give it `within`, or the flow `ends` or `within`"
        checker.error(place, f"`{rule.options.name}` {what}")
    _warn_of_ending_trigger(rule, ends, place, checker)


def _warn_of_ending_trigger(rule: Rule, ends: Names, place: Place, checker: Checker) -> None:
    both = set(getattr(rule, "trigger", ())) & set(ends)
    if rule.waits_for_end() and both:
        checker.warn(place, f"`{min(both)}` ends the flow: without `within` this waits for nothing")


def _tests(head: Fields, checker: Checker) -> tuple[RuleTest, ...]:
    value = head.get("tests")
    if value is None:
        return ()
    if not isinstance(value.data, list):
        checker.error(value.place, "`tests` is a list; begin each with a dash")
        return ()
    found = [read_test(item, checker) for item in value.data]
    return tuple(test for test in found if test is not None)


def _check_test_names(
    tests: Sequence[RuleTest], rules: Sequence[Expectation], written: Value | None, checker: Checker
) -> None:
    names = [rule.options.name for rule in rules]
    built = sum(name != "unfinished" for name in names)
    items = written.data if written is not None and isinstance(written.data, list) else []
    for item in items:
        given = item.data.get("name") if isinstance(item.data, dict) else None
        if given is not None:
            names.append(str(given.data))
        elif built < len(items):
            return  # one that has mistakes may be called by its sentence
    for test in tests:
        for expected in test.expected:
            name = expected.get("expectation")
            if name is not None and name not in names:
                hint = checker.suggestion(name, names)
                checker.error(test.place, f"no expectation is called `{name}`{hint}")
