"""Reads one expectation: which kind it is, the options that all kinds take, and the kind's own."""

import hashlib
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass

import msgspec

from analyzer.folds.fold import Fold
from analyzer.folds.latency import Latency
from analyzer.folds.table import FOLDS
from analyzer.guards import Guard
from analyzer.kinds import table
from analyzer.rules.checker import Checker
from analyzer.rules.fields import Fields
from analyzer.rules.kind import Expectation, Kind
from analyzer.rules.located import Value, at_key, items
from analyzer.rules.rule import Names, Options

COMMON = (
    "name", "about", "where", "such_that", "same", "unless", "copies", "skew", "grace",
    "severity", "labels", "group_by", "for", "keep_firing_for", "runbook", "enabled",
)  # fmt: skip
KINDS = (*table.KINDS, *FOLDS)
KEYS = frozenset((*COMMON, *(key for kind in KINDS for key in (*kind.needs, *kind.takes))))
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
WHERE_ALONE = (
    "`where` tells which events activate; what is compared with `cause` stands in `such_that`"
)
SEVERITIES = ("info", "warning", "critical")


@dataclass(frozen=True)
class Inherited:
    """What a file says for all of its expectations."""

    skew: int | None
    grace: int | None
    events: object
    """What its names mean, as it is written."""

    def version(self, spec: object) -> str:
        """Another one for whatever could change the judgement."""
        whole = spec if self.events is None else [spec, self.events]
        return hashlib.sha256(msgspec.json.encode(whole, order="sorted")).hexdigest()[:12]


def optional_duration(fields: Fields, key: str) -> int | None:
    value = fields.get(key)
    return None if value is None else fields.checker.duration(value)


def read_expectation(value: Value, checker: Checker, inherited: Inherited) -> Expectation | None:
    if not isinstance(value.data, dict):
        checker.error(value.place, "an expectation is a mapping, such as after/expect/within")
        return None
    enabled = value.data.get("enabled")
    kind = _kind(value, checker)
    if kind is None:
        return None
    known = (*COMMON, *kind.needs, *kind.takes)
    value = checker.mended(value, known, f"for `{kind.name}`", needs=kind.needs, elsewhere=KEYS)
    before = len(checker.problems)
    fields = Fields(value, checker)
    options = _options(fields, checker, kind, inherited)
    rule = kind.build(fields, options)
    if rule is not None and not (getattr(rule, "trigger", ()) or isinstance(rule, Latency)):
        for key in ("such_that", "same"):
            if key in fields:
                what = "has no activating event that another could be compared with"
                checker.error((value.keys or {})[key], f"`{key}`: `{kind.name}` {what}")
    if rule is not None and (isinstance(rule, Fold) or not getattr(rule, "trigger", ())):
        _check_excuse_alone(options, kind, value, checker)
    if isinstance(rule, Fold) and options.group_by:
        what = "looks at more than one flow, and so no event gives it a label"
        checker.error((value.keys or {})["group_by"], f"`group_by`: `{kind.name}` {what}")
    if enabled is not None and checker.boolean(enabled) is False:
        return None
    failed = any(not problem.warning for problem in checker.problems[before:])
    return None if failed else rule


def _check_excuse_alone(options: Options, kind: Kind, value: Value, checker: Checker) -> None:
    """Without an activating event, `unless` has nothing to be compared with."""
    written = at_key(at_key(value, "unless"), "where")
    if options.unless_where is not None and written is not None:
        checker.condition(written, alone=f"`{kind.name}` has no activating event")


def name_of(value: Value) -> str | None:
    """What an expectation with mistakes is called; None where it is off, or nobody can tell."""
    enabled, name = at_key(value, "enabled"), at_key(value, "name")
    if not isinstance(value.data, dict) or (enabled is not None and enabled.data is False):
        return None
    if name is not None:
        return name.data if isinstance(name.data, str) else None
    kind, _ = _nearest(value.data.keys())
    return None if kind is None else _sentence(value.data, kind)


def _kind(value: Value, checker: Checker) -> Kind | None:
    """The kind whose sentence this is, also where keys are misspelt; tells what it lacks."""
    data = value.data if isinstance(value.data, dict) else {}
    meant = {key: checker.nearest(key, KEYS) for key in data if key not in KEYS}
    kind, lacking = _nearest({*data, *(key for key in meant.values() if key)} - meant.keys())
    places = value.keys or {}
    if kind is not None:
        if lacking:
            place = places.get(kind.name, value.place)
            checker.error(place, f"`{kind.name}` also needs `{'`, `'.join(lacking)}`")
        return kind
    for key, near in meant.items():
        if near is not None:
            what = f"`{key}` is not known; did you mean `{near}`?"
            checker.error(places.get(key, value.place), what)
    if not any(meant.values()):
        have = ", ".join("/".join(kind.needs) for kind in KINDS)
        what = f"this says neither what is expected nor forbidden; there are {have}"
        checker.error(value.place, what)
    return None


def _nearest(keys: Set[str]) -> tuple[Kind | None, list[str]]:
    """The kind that needs most of these keys, and which it needs besides them."""
    fitting = [kind for kind in KINDS if keys >= set(kind.needs)]
    served = {key for kind in fitting for key in kind.needs}
    begun = [kind for kind in KINDS if kind.name in keys - served]
    found = max(begun or fitting, key=lambda kind: len(keys & set(kind.needs)), default=None)
    return found, [] if found is None else [key for key in found.needs if key not in keys]


def _options(fields: Fields, checker: Checker, kind: Kind, inherited: Inherited) -> Options:
    def maybe(key: str) -> Value | None:
        return fields.get(key)

    name, about, runbook = maybe("name"), maybe("about"), maybe("runbook")
    where, such_that, same = maybe("where"), maybe("such_that"), maybe("same")
    severity, labels = maybe("severity"), maybe("labels")
    match, copies = maybe("match"), maybe("copies")
    unless, unless_where = _unless(fields, checker)
    own_skew, own_grace = optional_duration(fields, "skew"), optional_duration(fields, "grace")
    sentence = _sentence(fields.data, kind)
    return Options(
        name=(checker.text(name) if name else None) or sentence,
        about=checker.text(about) if about else None,
        where=checker.condition(where, alone=WHERE_ALONE) if where else None,
        such_that=checker.condition(such_that) if such_that else None,
        same=checker.list_of(same, checker.field_path) or () if same else (),
        unless=unless,
        unless_where=unless_where,
        match=(checker.one_of(match, ["any", "each"]) if match else None) or "any",
        copies=bool(copies and checker.one_of(copies, ["count"])),
        skew=inherited.skew if own_skew is None else own_skew,
        grace=inherited.grace if own_grace is None else own_grace,
        severity=(checker.one_of(severity, SEVERITIES) if severity else None) or "warning",
        labels=checker.texts(labels) or () if labels else (),
        group_by=_group_by(fields, checker),
        wait=_wait(fields, kind),
        keep=optional_duration(fields, "keep_firing_for"),
        runbook=checker.text(runbook) if runbook else None,
        version=inherited.version(fields.value.plain()),
        kind=kind.name,
        sentence=sentence,
        written=fields.value,
    )


def _group_by(fields: Fields, checker: Checker) -> tuple[tuple[str, Guard], ...]:
    """`[event.payload.region]`, which is the label `region`, or `{area: event.payload.region}`."""
    value = fields.get("group_by")
    if value is None:
        return ()
    if isinstance(value.data, dict):
        named = [(str(name), path) for name, path in value.data.items()]
    else:
        paths = value.data if isinstance(value.data, list) else [value]
        named = [((_WORD.findall(str(path.data)) or [""])[-1], path) for path in paths]
    found = []
    for name, path in named:
        guard = checker.field_path(path)
        if not _WORD.fullmatch(name):
            checker.error(path.place, f"`{name}` is no label: letters, digits and _ make one")
        elif guard is not None:
            found.append((name, guard))
    return tuple(found)


def _wait(fields: Fields, kind: Kind) -> int:
    """A kind that takes `for` itself (`lag`) has waited when it finds something."""
    return 0 if "for" in kind.takes else optional_duration(fields, "for") or 0


def _unless(fields: Fields, checker: Checker) -> tuple[Names, Guard | None]:
    value = fields.get("unless")
    if value is None:
        return (), None
    if not isinstance(value.data, dict):
        return checker.names(value) or (), None
    meant = checker.mended(value, ["name", "where"], "in `unless`")
    name, where = at_key(meant, "name"), at_key(meant, "where")
    if name is None:
        checker.error(value.place, "`unless` needs a `name`")
        return (), None
    return checker.names(name) or (), checker.condition(where) if where else None


def _sentence(data: Mapping[str, Value], kind: Kind) -> str:
    """An expectation without a name is called by its own sentence."""
    words = []
    for key in (*kind.needs, *kind.takes):
        value = data.get(key)
        if value is not None:
            words.append(f"{key} {told(_any_of(value) if key == 'undo' else value.plain())}")
    return " ".join(words)


def _any_of(pairs: Value) -> object:
    """`X UX or UZ, Y UY`, where commas part the pairs."""
    if not isinstance(pairs.data, dict):
        return pairs.plain()
    return {
        name: " or ".join(map(str, undo)) if isinstance(undo, list) else undo
        for name, undo in ((name, inner.plain()) for name, _, inner in items(pairs))
    }


def told(plain: object) -> str:
    if isinstance(plain, list):
        return ", ".join(map(str, plain))
    if isinstance(plain, dict):
        return ", ".join(f"{key} {told(value)}" for key, value in plain.items())
    return str(plain)
