"""Who hears of what."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from analyzer.alerts.alert import Alert, Manner
from analyzer.alerts.matching import BadMatcherError, Matcher, fits_all, fits_anything, parse_all
from analyzer.alerts.routes import Routes
from analyzer.settings import AlertSettings, RouteSettings
from collector.errors import ConfigurationError
from tests.analyzer.alerts.desk import finding


def fields(**changes: Any) -> dict[str, str]:
    return Alert.of(finding("a", **changes), {"environment": "test"}, Manner(), 1).fields()


def test_routes_match_on_fields_and_labels() -> None:
    settings = AlertSettings(
        routes=[
            RouteSettings(match={"severity": "critical", "team": "payments"}, to="pager"),
            RouteSettings(match={"team": "warehouse", "environment": "test"}, to="mail"),
            RouteSettings(to="all"),
        ]
    )
    routes = Routes.of(settings, ["pager", "mail", "all"])
    payments = {"team": "payments"}
    assert [*routes.sinks_for(fields(severity="critical", labels=payments))] == ["pager", "all"]
    assert [*routes.sinks_for(fields(severity="info", labels=payments))] == ["all"]
    assert [*routes.sinks_for(fields(labels={"team": "warehouse"}))] == ["mail", "all"]


def test_without_routes_every_sink_hears_of_everything() -> None:
    assert [*Routes.of(AlertSettings(), ["a", "b"]).sinks_for(fields())] == ["a", "b"]


def test_a_sink_that_gathers_for_itself_hears_at_once() -> None:
    routes = Routes.of(AlertSettings(), ["am", "mail"], ["am"])
    found = routes.sinks_for(fields())
    assert (found["am"].interval, found["mail"].interval) == (0, 300_000_000)


def test_a_route_to_nowhere_is_refused() -> None:
    settings = AlertSettings(routes=[RouteSettings(to="pagr")])
    with pytest.raises(ConfigurationError, match="no sink is called `pagr`; there are: pager"):
        Routes.of(settings, ["pager"])


def test_a_standby_tells_nobody_whatever_its_routes_say() -> None:
    settings = AlertSettings(routes=[RouteSettings(to="pager")])
    assert Routes.of(settings, []).sinks_for(fields()) == {}


@pytest.mark.parametrize(
    ("written", "labels", "fits"),
    [
        ("team=payments", {"team": "payments"}, True),
        ("team=payments", {}, False),
        ("team!=payments", {}, True),
        ("team=~pay.*", {"team": "payments"}, True),
        ("team=~pay", {"team": "payments"}, False),
        ("team!~pay.*", {"team": "payments"}, False),
        ('expectation="a = b"', {"expectation": "a = b"}, True),
        ("x=<b>\n'\"", {"x": "<b>\n'\""}, True),
        ("x=é☃", {"x": "é☃"}, True),
    ],
)
def test_matchers_fit(written: str, labels: dict[str, str], fits: bool) -> None:
    assert Matcher.parse(written).fits(labels) is fits


@pytest.mark.parametrize("written", ["", "team", "=x", "team=~(", "1a=b", "te am=x"])
def test_what_is_no_matcher_is_told(written: str) -> None:
    with pytest.raises(BadMatcherError):
        Matcher.parse(written)


@pytest.mark.parametrize(
    ("written", "anything"),
    [
        ([], True), (["team=~.*"], True), (["team!=x"], True), (["team=~.*", "a!~b"], True),
        (["team=x"], False), (["severity=~warning|critical"], False), (["team=~.+", "a=b"], False),
    ],
)  # fmt: skip
def test_matchers_that_let_anything_through_are_known(written: list[str], anything: bool) -> None:
    assert fits_anything(parse_all(written)) is anything


def test_no_pattern_takes_long() -> None:
    matchers = parse_all(["x=~(a+)+b"])
    assert not fits_all(matchers, {"x": "a" * 100_000})


@pytest.mark.parametrize(
    "wrong",
    [
        {"repeat_interval": "0s"},
        {"group_interval": "5"},
        {"mute_times": [{"during": "Mon 25:00-26:00"}]},
        {"mute_times": [{"during": "Mon-Fri", "tz": "Mars/Phobos"}]},
        {"mute_times": [{"during": "Mon-Fri", "match": ["team"]}]},
        {"heartbeat": {"url": "not an address"}},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AlertSettings.model_validate(wrong)
