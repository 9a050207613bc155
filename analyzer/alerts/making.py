"""Alerts as the configuration wants them."""

from collections.abc import Callable, Mapping, Sequence
from zoneinfo import ZoneInfo

from analyzer.alerts.alert import Alert, Manner
from analyzer.alerts.book import Book
from analyzer.alerts.matching import parse_all
from analyzer.alerts.quiet import Muted
from analyzer.alerts.routes import Routes
from analyzer.alerts.stage import AlertStage, CloseFindings
from analyzer.alerts.teller import Teller
from analyzer.folds.tumbling import parse_during
from analyzer.rules.rule import Options
from analyzer.rules.ruleset import RuleSet
from analyzer.settings import AlertSettings, MuteSettings
from analyzer.sight import Sight
from collector.store.store import Store
from collector.times import format_time, parse_duration


def make_alerts(
    settings: AlertSettings,
    labels: Mapping[str, str],
    sinks: Sequence[str],
    rules: RuleSet,
    store: Store,
    close_findings: CloseFindings,
    link_base: Callable[[], str],
    sight: Callable[[], Sight],
) -> AlertStage:
    """`sinks`: those that are told; none where another daemon tells."""
    immediate = [name for name in sinks if _gathers(settings, name)]
    routes = Routes.of(settings, sinks, immediate)
    book = Book(
        labels,
        routes,
        lambda type, expectation: manner_of(rules, type, expectation),
        parse_duration(settings.keep_firing_for) or 0,
        [_muted(one) for one in settings.mute_times],
        lambda alert: blinded(rules, sight(), alert),
    )
    return AlertStage(book, Teller(routes), link_base, store, close_findings, _age(settings))


def manner_of(rules: RuleSet, type: str, expectation: str) -> Manner:
    """How its rule wants it; of a rule that is no more, as usual."""
    options = options_of(rules, type, expectation)
    if options is None:
        return Manner()
    grouped_by = tuple(name for name, _ in options.group_by)
    return Manner(options.wait, options.keep, options.about, options.runbook, grouped_by)


def blinded(rules: RuleSet, sight: Sight, alert: Alert) -> str | None:
    """What keeps people from being told of absence: it may be that nobody could see. Of what was
    seen they are told, where nothing that may be hidden excuses it."""
    options = options_of(rules, alert.type, alert.expectation)
    if options is None or (alert.seen and not options.unless):
        return None
    which = (alert.type, alert.expectation)
    rule = rules.by_name.get(which)
    if rule is not None:
        naming = next(file.naming for file in rules.files if file.flow == alert.type)
        partition = sight.under(naming).blind(rule.awaits())
    else:
        file, fold = rules.folds[which]
        partition = sight.under(file.naming).blind(fold.names())
    if partition is None or partition.blocked_since is None:
        return None
    where = f"{partition.topic}-{partition.partition} of {partition.source}"
    return f"blind on {where} since {format_time(partition.blocked_since)}"


def options_of(rules: RuleSet, type: str, expectation: str) -> Options | None:
    """Its rule's; None where it is no more, or never was one."""
    which = (type, expectation)
    if rule := rules.by_name.get(which):
        return rule.options
    fold = rules.folds.get(which)
    return None if fold is None else fold[1].options


def _gathers(settings: AlertSettings, sink: str) -> bool:
    """Whether a sink groups and repeats by itself, and wants to hear of everything at once."""
    one = settings.sinks.get(sink)
    return one is not None and one.alertmanager is not None


def _muted(settings: MuteSettings) -> Muted:
    during = parse_during(settings.during) or ()
    matchers = parse_all(settings.match)
    written = f"{settings.during} {settings.tz}"
    return Muted(matchers, during, ZoneInfo(settings.tz), written)


def _age(settings: AlertSettings) -> int:
    """So long what was told of an alert that is over keeps the next from being told at once."""
    written = [settings.group_interval, *(one.group_interval for one in settings.routes)]
    return max(parse_duration(one) or 0 for one in written if one is not None)
