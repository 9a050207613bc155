"""Random rules about windows, each twice: as it is written, and as the naive judge takes it."""

from typing import Any

from hypothesis import strategies as st

from tests.analyzer.naive.clock import DAY, MINUTE, S
from tests.analyzer.naive.flow import Spec
from tests.analyzer.naive.random_rules import CONDITIONS, PAIRS, one_or_list

Written = dict[str, Any]
NAMES = ("A", "B", "X")
HOUR = 60 * MINUTE
CRON = {
    "* * * * *": HOUR,
    "*/7 * * * *": HOUR,
    "*/30 * * * *": 2 * HOUR,
    "30 * * * *": 3 * HOUR,
    "@hourly": 3 * HOUR,
    "15 2 * * *": 2 * DAY,
    "45 1 * * *": 2 * DAY,
    "0 0 * * *": 2 * DAY,
    "30 1-3 * * *": 2 * DAY,
    "0 3 * * SUN": 15 * DAY,
    "0,20 2 * * mon,7": 8 * DAY,
    "30 2 26 * 3": 8 * DAY,
    "30 */10 * * * *": HOUR,
}
"""With how far the next tick may lie, a change of the clock included."""
PERS = (15, 30, 45, 60, 7, 120, 180, 1440)
DURING = (
    "Mon-Fri 08:00-20:00", "Sat-Sun", "22:00-06:00", "Sun 00:00-24:00", "Sat 20:00-03:00",
    "00:00-01:00, 01:00-04:00", "Sun 02:00-03:00",
)  # fmt: skip

some = st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True)
one_in_four = st.integers(0, 3).map(lambda n: n == 3)


@st.composite
def rules(draw: st.DrawFn, kind: str, zone: str) -> tuple[Written, Spec]:
    written: Written = {"name": "r"}
    spec: Spec = {"name": "r", "kind": kind, "tz": zone, "far": 3 * HOUR}
    if zone != "UTC":
        written["tz"] = zone
    if kind == "every":
        every(draw, written, spec)
    else:
        windows(draw, written, spec)
        if kind == "latency":
            latency(draw, written, spec)
        else:
            rate(draw, kind, written, spec)
    options(draw, kind, written, spec)
    return written, spec


def every(draw: st.DrawFn, written: Written, spec: Spec) -> None:
    line = draw(st.sampled_from(sorted(CRON)))
    spec["every"], spec["horizon"] = line, CRON[line] + 2 * HOUR
    written["every"] = line
    spec["expect"] = draw(some)
    written["expect"] = one_or_list(spec["expect"])
    minutes = draw(st.sampled_from((1, 5, 10, 60, 90)))
    written["within"], spec["within"] = f"{minutes}m", minutes * MINUTE
    if CRON[line] >= 2 * DAY:
        spec["far"] = draw(st.sampled_from((3 * HOUR, 2 * DAY)))
    if draw(one_in_four):
        written["each_of"] = spec["each_of"] = [1, 2]
        written["by"], spec["by"] = "event.payload.k", "k"


def windows(draw: st.DrawFn, written: Written, spec: Spec) -> None:
    minutes = draw(st.sampled_from(PERS))
    written["per"], spec["per"] = f"{minutes}m", minutes * MINUTE
    if minutes == 1440:
        spec["far"] = 2 * DAY
    if draw(one_in_four):
        written["during"] = spec["during"] = draw(st.sampled_from(DURING))


def rate(draw: st.DrawFn, kind: str, written: Written, spec: Spec) -> None:
    spec["names"] = draw(some)
    written[kind] = one_or_list(spec["names"])
    least, most = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    bounds = draw(st.sampled_from(("at_least", "at_most", "both", "compared", "all")))
    if kind == "retries":
        bounds = "at_most"
    if bounds in ("at_least", "both", "all"):
        written["at_least"] = spec["at_least"] = min(least, most)
    if bounds in ("at_most", "both", "all"):
        written["at_most"] = spec["at_most"] = max(least, most)
    if bounds in ("compared", "all"):
        minutes = draw(st.sampled_from((30, 60, 90, 1440)))
        written["compared_to"], spec["compared_to"] = f"{minutes}m", minutes * MINUTE
        percent = draw(st.sampled_from((50, 30, 70, 100)))
        written["drop"], spec["drop"] = f"{percent}%", f"{percent}/100"
    if draw(one_in_four):
        written["by"], spec["by"] = "event.payload.k", "k"


def latency(draw: st.DrawFn, written: Written, spec: Spec) -> None:
    spec["from"], spec["to"] = draw(some), draw(some)
    written["latency"] = {"from": one_or_list(spec["from"]), "to": one_or_list(spec["to"])}
    quantile = draw(st.sampled_from(("p50", "p75", "p90", "p999")))
    spec["quantile"] = f"0.{quantile[1:]}"
    minutes = draw(st.sampled_from((5, 10, 60)))
    written[quantile], spec["limit"] = f"{minutes}m", minutes * MINUTE
    if draw(one_in_four):
        written["such_that"], spec["such_that"] = draw(st.sampled_from(PAIRS))
    if draw(one_in_four):
        written["same"], spec["same"] = ["event.payload.k"], "k"


def options(draw: st.DrawFn, kind: str, written: Written, spec: Spec) -> None:
    if draw(st.booleans()):
        spec["unless"] = draw(some)
        written["unless"] = one_or_list(spec["unless"])
        if draw(one_in_four):
            text, test = draw(st.sampled_from(CONDITIONS))
            written["unless"], spec["unless_where"] = {"name": spec["unless"], "where": text}, test
    if draw(one_in_four):
        written["copies"] = "count"
        spec["copies"] = True
    for key, values in (("skew", (0, 1, 2)), ("grace", (0, 3))):
        if draw(one_in_four):
            found = draw(st.sampled_from(values))
            written[key], spec[key] = f"{found}s", found * S
    if draw(one_in_four):
        written["where"], spec["where"] = draw(st.sampled_from(CONDITIONS))
