"""Every kind of expectation about windows of time, by the keys that make its sentence."""

import re
from fractions import Fraction
from zoneinfo import ZoneInfo

from cronsim import CronSimError

from analyzer.consumers.lag import Lag
from analyzer.folds.fold import Fold
from analyzer.folds.latency import Latency
from analyzer.folds.rate import Comparison, Rate
from analyzer.folds.schedule import WORDS, Clock, Schedule
from analyzer.folds.tumbling import Tumbling, parse_during
from analyzer.kinds.count import Bounds, Count
from analyzer.rules.fields import Fields
from analyzer.rules.kind import Expectation, Kind
from analyzer.rules.rule import Options
from collector.times import parse_duration

QUANTILES = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
ODDEST = 1_000_000_000
"""No rate is counted beyond it."""


def _rate(fields: Fields, options: Options) -> Fold | None:
    counted, per, by = fields.names("rate"), _tumbling(fields), fields.guard("by")
    least, most = fields.number("at_least", ODDEST), fields.number("at_most", ODDEST)
    compared = _comparison(fields)
    if not {"at_least", "at_most", "compared_to"} & set(fields.value.keys or ()):
        what = "`rate` needs a bound: `at_least`, `at_most`, or `compared_to` with `drop`"
        fields.checker.error(fields.value.place, what)
        return None
    if least is not None and most is not None and least > most:
        what = f"no number is at least {least} and at most {most}"
        fields.checker.error(fields.value.place, what)
    return Rate(options, counted, per, least, most, by, compared) if counted and per else None


def _comparison(fields: Fields) -> Comparison | None:
    before, drop = fields.duration("compared_to"), fields.get("drop")
    if ("compared_to" in fields) != ("drop" in fields):
        what = "`compared_to` and `drop` go together: `compared_to: 7d, drop: 50%`"
        fields.checker.error(fields.value.place, what)
    if before is None or drop is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", str(drop.data))
    if match is None or not 0 < float(match[1]) <= 100:
        fields.checker.error(drop.place, "a drop is a share of what there was, such as 50%")
        return None
    return Comparison(before, Fraction(match[1]) / 100)


def _tumbling(fields: Fields) -> Tumbling | None:
    per, tz, during = fields.duration("per"), _zone(fields), fields.get("during")
    spans = parse_during(str(during.data)) if during is not None else ()
    if during is not None and spans is None:
        what = f"`{during.data}` is no such time; write e.g. `Mon-Fri 08:00-20:00, Sat 10:00-14:00`"
        fields.checker.error(during.place, what)
    return None if per is None else Tumbling(per, tz, spans or ())


def _zone(fields: Fields) -> ZoneInfo | None:
    value = fields.get("tz")
    name = None if value is None else fields.checker.text(value)
    if value is None or name is None:
        return None
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        fields.checker.error(value.place, f"`{name}` is no time zone; write e.g. Europe/Berlin")
        return None


def _every(fields: Fields, options: Options) -> Fold | None:
    clock, expected, within = _clock(fields), fields.names("expect"), fields.duration("within")
    each_of, by = fields.get("each_of"), fields.guard("by")
    if ("each_of" in fields) != ("by" in fields):
        what = "`each_of` and `by` go together: which values, and where an event carries its own"
        fields.checker.error(fields.value.place, what)
    values = [] if each_of is None else each_of.plain()
    if not isinstance(values, list) or (each_of is not None and not values):
        place = fields.value.place if each_of is None else each_of.place
        fields.checker.error(place, "`each_of` is a list of values: [eu, us]")
        return None
    if clock is None or not expected or within is None:
        return None
    return Schedule(options, clock, expected, within, tuple(values), by)


def _clock(fields: Fields) -> Clock | None:
    value, tz = fields.get("every"), _zone(fields)
    text = None if value is None else fields.checker.text(value)
    if value is None or text is None:
        return None
    cron = WORDS.get(text.strip().lower(), text)
    try:
        next(Clock(cron).after(0))
    except (CronSimError, StopIteration) as error:
        why = f" ({str(error).lower()})" if str(error) else ""
        what = f"`{text}` is no cron line that ever comes{why}; write e.g. `0 2 * * *`"
        fields.checker.error(value.place, what)
        return None
    return Clock(cron, tz)


def _latency(fields: Fields, options: Options) -> Fold | None:
    step, per = fields.get("latency"), _tumbling(fields)
    if step is None or not isinstance(step.data, dict):
        place = fields.value.place if step is None else step.place
        fields.checker.error(place, "`latency` is written {from: A, to: B}")
        return None
    fields.checker.known_keys(step, ("from", "to"), "in `latency`; write {from: A, to: B}")
    ends = Fields(step, fields.checker)
    for key in ("from", "to"):
        if key not in ends:
            fields.checker.error(step.place, f"`latency` also needs `{key}`")
    start, end = ends.names("from"), ends.names("to")
    given = [key for key in QUANTILES if key in fields]
    if len(given) != 1:
        what = f"`latency` needs one of {', '.join(QUANTILES)}: how long that share may take"
        fields.checker.error(fields.value.place, what)
        return None
    limit = fields.duration(given[0])
    if not start or not end or per is None or limit is None:
        return None
    return Latency(options, start, end, QUANTILES[given[0]], given[0], limit, per)


def _retries(fields: Fields, options: Options) -> Expectation | None:
    counted, most = fields.names("retries"), fields.number("at_most", ODDEST)
    by = fields.guard("by")
    if not counted or most is None:
        return None
    if "per" in fields:
        per = _tumbling(fields)
        return None if per is None else Rate(options, counted, per, None, most, by)
    for key in ("tz", "during"):
        if key in fields:
            fields.checker.error(fields.value.place, f"`{key}` goes with `per`")
    return Count(options, ((counted, Bounds(None, most)),), (), None, by, anywhere=True)


_BOUND = re.compile(r"(\d{1,9})\s*events?")


def _lag(fields: Fields, options: Options) -> Fold | None:
    checker, value = fields.checker, fields.get("at_most")
    group = fields.get("lag")
    name = None if group is None else checker.text(group)
    for key in ("where", "such_that", "same", "unless", "copies", "skew", "grace"):
        if key in fields:
            what = f"`{key}`: `lag` looks at no events"
            checker.error((fields.value.keys or {}).get(key, fields.value.place), what)
    stands = fields.duration("for")
    if name is None or value is None:
        return None
    counted = _BOUND.fullmatch(str(value.data).strip())
    seconds = None if counted else parse_duration(str(value.data))
    if counted is None and seconds is None:
        checker.error(value.place, "a bound of lag is written `60s`, or `500 events`")
        return None
    events = None if counted is None else int(counted[1])
    return Lag(options, name, fields.names("topic"), seconds, events, stands or 0)


FOLDS: tuple[Kind, ...] = (
    Kind(
        "rate", ("rate", "per"),
        ("at_least", "at_most", "by", "during", "tz", "compared_to", "drop"), _rate,
        ("too_few", "too_many"),
    ),
    Kind("every", ("every", "expect", "within"), ("tz", "each_of", "by"), _every,
         ("missing", "late")),
    Kind("latency", ("latency", "per"), (*QUANTILES, "during", "tz"), _latency, ("too_slow",)),
    Kind("lag", ("lag", "at_most"), ("topic", "for"), _lag, ("lagging",)),
    Kind("retries", ("retries", "at_most"), ("by", "per", "during", "tz"), _retries,
         ("too_many",)),
)  # fmt: skip
