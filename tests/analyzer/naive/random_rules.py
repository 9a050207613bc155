"""Random rule files, each twice: as it is written, and as the naive judge takes it."""

from typing import Any

from hypothesis import strategies as st

from tests.analyzer.naive.flow import Spec, alike, field

Written = dict[str, Any]
NAMES = ("start", "end", "A", "B", "C", "X")
S = 1_000_000
KINDS = (
    "expect", "all", "never", "next", "before", "order", "once", "counts", "together", "either",
    "undo", "for_each", "agree", "handled",
)  # fmt: skip

GROUPS = ("g", "h", "nobody")
"""Of the last nobody looks at the consumers."""

some = st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True)
several = st.lists(st.sampled_from(NAMES), min_size=2, max_size=4, unique=True)
maybe_some = st.one_of(st.just([]), st.just([]), some)
maybe_s = st.one_of(st.none(), st.integers(1, 15))


def number(event: Any, least: int) -> bool:
    n = field(event, "n")
    return isinstance(n, int) and not isinstance(n, bool) and n >= least


CONDITIONS = (
    ("event.payload.n >= 2", lambda e: number(e, 2)),
    ("!(event.payload.n >= 2)", lambda e: number(e, 0) and not number(e, 2)),
)
PAIRS = (
    (
        "event.payload.n >= cause.payload.n",
        lambda e, c: number(e, 0) and number(c, 0) and field(e, "n") >= field(c, "n"),
    ),
    ("event.payload.k == cause.payload.k", lambda e, c: alike("k", e, c)),
    (
        "event.payload.n >= 1 && cause.payload.k == event.payload.k",
        lambda e, c: number(e, 1) and alike("k", e, c),
    ),
)
UNDOINGS: tuple[dict[str, list[str]], ...] = (
    {"A": ["B"]}, {"A": ["B"], "B": ["C"]}, {"A": ["X"], "C": ["B"]}, {"A": ["B", "X"]},
    {"A": ["B"], "C": ["B"]}, {"A": ["B", "X"], "C": ["X", "end"]}, {"C": ["X"], "A": ["X", "B"]},
)  # fmt: skip
"""What is done, and what undoes it: also what undoes several."""


def one_or_list(names: list[str]) -> Any:
    return names[0] if len(names) == 1 else names


@st.composite
def files(draw: st.DrawFn, kind: str) -> tuple[Written, Spec]:
    """With one rule of this kind at least."""
    limit = draw(st.one_of(st.none(), st.integers(5, 30)))
    ends = ["end"] if limit is None or draw(st.booleans()) else []
    head: Written = {"version": 1, "flow": "x", "begins": "start"}
    if ends:
        head["ends"] = ends
    if limit is not None:
        head["within"] = f"{limit}s"
    rules = []
    skew = draw(st.sampled_from((None, None, 0, 1)))
    grace = draw(st.sampled_from((None, None, 0, 3)))
    times = {"skew": skew, "grace": grace}
    head |= {key: f"{value}s" for key, value in times.items() if value is not None}
    head["expectations"] = []
    more = draw(st.lists(st.sampled_from(KINDS), max_size=2))
    for n, one in enumerate((kind, *more)):
        written, spec = draw(rule(f"rule {n}", one))
        head["expectations"].append(written)
        for key, value in times.items():
            if spec.get(key) is None and value is not None:
                spec[key] = value * S
        rules.append(spec)
    if ends and limit is not None:
        rules.append(
            {
                "name": "unfinished", "kind": "expect", "after": ["start"], "groups": [ends],
                "within": limit * S, "first_only": True,
                **{key: value * S for key, value in times.items() if value is not None},
            }
        )  # fmt: skip
    spec_file = {
        "begins": ["start"],
        "ends": ends,
        "within": None if limit is None else limit * S,
        "rules": rules,
    }
    return head, spec_file


@st.composite
def rule(draw: st.DrawFn, name: str, kind: str) -> tuple[Written, Spec]:
    written: Written = {"name": name}
    spec: Spec = {"name": name}
    body(draw, kind, written, spec)
    options(draw, kind, written, spec)
    return written, spec


def names(draw: st.DrawFn, key: str, written: Written, spec: Spec) -> None:
    found = draw(some)
    written[key], spec[key] = one_or_list(found), found


def within(draw: st.DrawFn, written: Written, spec: Spec) -> None:
    found = draw(maybe_s)
    if found is not None:
        written["within"], spec["within"] = f"{found}s", found * S


def body(draw: st.DrawFn, kind: str, written: Written, spec: Spec) -> None:
    spec["kind"] = "count" if kind in ("once", "counts") else kind
    if kind in ("expect", "all", "never", "next", "undo", "for_each"):
        names(draw, "after", written, spec)
    if kind in ("expect", "all"):
        spec["kind"] = "expect"
        if kind == "all":
            found = draw(several)
            written["expect"], spec["groups"] = {"all": found}, [[name] for name in found]
        else:
            names(draw, "expect", written, spec)
            spec["groups"] = [spec["expect"]]
    elif kind == "never":
        names(draw, "never", written, spec)
        until = draw(maybe_some)
        if until:
            written["until"], spec["until"] = one_or_list(until), until
    elif kind == "next":
        names(draw, "next", written, spec)
    elif kind == "before":
        names(draw, "before", written, spec)
        names(draw, "require", written, spec)
    elif kind in ("order", "together", "either"):
        written[kind] = spec[kind] = draw(several)
    elif kind == "undo":
        pairs = draw(st.sampled_from(UNDOINGS))
        spec["undo"] = pairs
        written["undo"] = {name: one_or_list(undo) for name, undo in pairs.items()}
        if draw(st.booleans()):
            written["in"] = spec["in"] = "reverse"
    elif kind == "for_each":
        names(draw, "expect", written, spec)
        written["for_each"], written["by"] = "event.payload.items[*]", "event.payload.k"
    elif kind == "agree":
        agree(draw, written, spec)
    elif kind == "handled":
        names(draw, "handled", written, spec)
        groups = st.lists(st.sampled_from(GROUPS), min_size=1, max_size=2, unique=True)
        written["groups"] = spec["watched"] = draw(groups)
        limit = draw(st.integers(1, 15))
        written["within"], spec["within"] = f"{limit}s", limit * S
        return
    else:
        count(draw, kind, written, spec)
    if kind not in ("order", "either", "agree"):
        within(draw, written, spec)


def agree(draw: st.DrawFn, written: Written, spec: Spec) -> None:
    found = draw(several)
    fields = {name: draw(st.sampled_from(("k", "n"))) for name in found}
    if draw(st.booleans()):
        fields = dict.fromkeys(found, "k")
        written["agree"], written["across"] = "event.payload.k", found
    else:
        written["across"] = {name: f"event.payload.{path}" for name, path in fields.items()}
    spec["across"] = fields
    tolerance = draw(st.sampled_from((None, "1", "50%")))
    if tolerance is not None:
        spec["tolerance"] = tolerance
        written["tolerance"] = int(tolerance) if tolerance.isdigit() else tolerance


def count(draw: st.DrawFn, kind: str, written: Written, spec: Spec) -> None:
    if draw(st.booleans()):
        names(draw, "after", written, spec)
    if kind == "once":
        spec["once"] = True
        names(draw, "once", written, spec)
        spec["counted"] = [(tuple(spec.pop("once")), 1, 1)]
        spec["once"] = True
        return
    key = draw(st.sampled_from(("at_most", "at_least", "exactly")))
    found = {name: draw(st.integers(0, 3)) for name in draw(some)}
    written[key] = found
    spec["counted"] = [
        ((name,), None if key == "at_most" else n, None if key == "at_least" else n)
        for name, n in found.items()
    ]
    if draw(st.integers(0, 2)) == 2:
        written["by"], spec["by"] = "event.payload.k", "k"


def options(draw: st.DrawFn, kind: str, written: Written, spec: Spec) -> None:
    if kind != "before" and draw(st.booleans()):
        unless = draw(some)
        spec["unless"] = unless
        written["unless"] = one_or_list(unless)
        if draw(st.integers(0, 3)) == 3:
            text, test = draw(st.sampled_from(CONDITIONS))
            written["unless"], spec["unless_where"] = {"name": unless, "where": text}, test
    if kind in ("expect", "all", "undo", "for_each") and draw(st.booleans()):
        written["match"] = spec["match"] = "each"
    if draw(st.integers(0, 3)) == 3:
        written["copies"] = "count"
        spec["copies"] = True
    for key, values in (("skew", (0, 1)), ("grace", (0, 3))):
        if draw(st.integers(0, 3)) == 3:
            found = draw(st.sampled_from(values))
            written[key], spec[key] = f"{found}s", found * S
    if draw(st.integers(0, 3)) == 3:
        written["where"], spec["where"] = draw(st.sampled_from(CONDITIONS))
    if "after" in written or kind == "before":
        if draw(st.integers(0, 2)) == 2:
            written["such_that"], spec["such_that"] = draw(st.sampled_from(PAIRS))
        if draw(st.integers(0, 2)) == 2:
            written["same"], spec["same"] = ["event.payload.k"], "k"
