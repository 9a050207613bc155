"""All alerts as they stand: a cache of the log of findings and of what people did. Drop it, read
these back, and get the same."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from analyzer.alerts.alert import RESOLVED, Alert, Manner, Standing
from analyzer.alerts.quiet import Muted, Silence, acknowledged, quiet, silences
from analyzer.alerts.routes import Routes
from analyzer.alerts.rows import ActRow
from analyzer.finding import SEEN, Finding
from collector.times import US_PER_S

LOOK_EVERY = US_PER_S
"""What only time changes (intervals, silences that end) is looked at so often."""
WRITE_EVERY = 10 * US_PER_S
"""A count that moves is written down so often."""
MOST_ALERTS = 1_000
"""Of one expectation that takes labels from events; what is beyond is one alert without them."""

MannerOf = Callable[[str, str], Manner]


@dataclass(frozen=True, slots=True)
class Looked:
    """The alerts of one step: those looked at, and of these those that changed."""

    at: Sequence[Alert] = ()
    changed: Sequence[Alert] = ()


@dataclass
class Book:
    """Takes findings and acts; `step` says what became of the alerts."""

    labels: Mapping[str, str]
    """Those of the configuration (environment, cluster); a rule's own win."""
    routes: Routes
    manner_of: MannerOf
    keep: int
    muted: Sequence[Muted] = ()
    blinded: Callable[[Alert], str | None] = lambda alert: None
    """Why what would undo an alert cannot be seen now; None: it can."""
    alerts: dict[str, Alert] = field(default_factory=dict)
    acts: list[ActRow] = field(default_factory=list)
    _of: dict[str, str] = field(default_factory=dict)
    """Which alert a finding stands in."""
    _many: dict[tuple[str, str], int] = field(default_factory=dict)
    """How many alerts each expectation has."""
    _acts_on: dict[str, list[ActRow]] = field(default_factory=dict)
    """By alert."""
    _silences: list[Silence] = field(default_factory=list)
    _touched: set[str] = field(default_factory=set)
    _looked: int | None = None

    # What happens

    def open(self, finding: Finding, seq: int, found: int, manner: Manner | None = None) -> None:
        """A finding was announced, or changed and is still open."""
        if manner is None:
            manner = self.manner_of(finding.type, finding.expectation)
        alert = self._alert(finding, manner)
        before = self._of.get(finding.id)
        if before != alert.fingerprint:
            self.close(finding.id, "its labels changed")
            seen = finding.finding in SEEN
            alert.add(Standing(finding.id, finding.flow, finding.at, found, seq, seen))
            self._of[finding.id] = alert.fingerprint
        alert.leaving.pop(finding.id, None)
        alert.text = finding.text
        self._touched.add(alert.fingerprint)

    def close(self, id: str, reason: str | None, turned: int | None = None) -> None:
        """A finding is open no longer. `turned`: when it closed by itself, having been true."""
        fingerprint = self._of.get(id)
        if fingerprint is None:
            return
        alert = self.alerts[fingerprint]
        self._touched.add(fingerprint)
        if turned is None or alert.leave(id, turned, reason):
            del self._of[id]
            alert.remove(id)
            alert.reason = reason

    def act(self, act: ActRow) -> None:
        """Somebody did something. What it closes, the log of findings says."""
        self.acts.append(act)
        if act.alert is not None:
            self._acts_on.setdefault(act.alert, []).append(act)
        if act.kind in ("silence", "expire", "mark"):
            self._silences = silences(self.acts)
        self._looked = None

    def closed_by(self, act: ActRow) -> list[str]:
        """The findings that such an act closes: those that stood by then."""
        if act.kind != "close":
            return []
        alert = self.alerts.get(act.alert or self._of.get(act.finding or "", ""))
        if alert is None:
            return []
        return [
            one.id
            for one in alert.standing.values()
            if one.found < act.moment and act.finding in (None, one.id)
        ]

    def has(self, id: str) -> bool:
        """Whether this finding is open."""
        return id in self._of

    def restore(self, alert: Alert) -> None:
        """An alert that stood when the store was written."""
        self._enter(alert)

    def _alert(self, finding: Finding, manner: Manner) -> Alert:
        alert = Alert.of(finding, self.labels, manner, self.keep)
        known = self.alerts.get(alert.fingerprint)
        many = self._many.get((finding.type, finding.expectation), 0) >= MOST_ALERTS
        if known is None and manner.grouped_by and many:
            own = {k: v for k, v in finding.labels.items() if k not in manner.grouped_by}
            bare = msgspec.structs.replace(finding, labels=own)
            alert = Alert.of(bare, self.labels, manner, self.keep)
            known = self.alerts.get(alert.fingerprint)
        if known is None:
            return self._enter(alert)
        known.manner, known.severity, known.keep = alert.manner, alert.severity, alert.keep
        return known

    def _enter(self, alert: Alert) -> Alert:
        alert.sinks = self.routes.sinks_for(alert.fields())
        self.alerts[alert.fingerprint] = alert
        which = (alert.type, alert.expectation)
        self._many[which] = self._many.get(which, 0) + 1
        self._touched.add(alert.fingerprint)
        return alert

    # What becomes of it

    def step(self, moment: int, leave: str | None = None) -> Looked:
        """Judges what was touched, and now and then everything; alerts of the type `leave` stay as
        they are."""
        if self._looked is None or not 0 <= moment - self._looked < LOOK_EVERY:
            self._looked = moment
            self._touched.update(self.alerts)
        if not self._touched:
            return Looked()
        at = [self.alerts[fingerprint] for fingerprint in sorted(self._touched)]
        at = [alert for alert in at if alert.type != leave]
        self._touched.clear()
        self._silences = [one for one in self._silences if moment < one.ends()]
        return Looked(at, [alert for alert in at if self._judge(alert, moment)])

    def _judge(self, alert: Alert, moment: int) -> bool:
        """Whether there is news of it."""
        before = (alert.state, alert.quiet, alert.acknowledged)
        for id in alert.expire(moment):
            del self._of[id]
        alert.judge(moment)
        alert.quiet = alert.acknowledged = None
        if alert.state != RESOLVED:
            silenced = quiet(alert.fields(), self._silences, self.muted, moment)
            alert.quiet = silenced or self.blinded(alert)
            acts = self._acts_on.get(alert.fingerprint, ())
            alert.acknowledged = acknowledged(acts, alert.fingerprint, alert.began)
        if (alert.state, alert.quiet, alert.acknowledged) != before:
            return True
        written, count = alert.written
        return len(alert.standing) != count and not 0 <= moment - written < WRITE_EVERY

    def forget(self, alerts: Iterable[Alert]) -> None:
        """Of what is over, and told, nothing need be known."""
        for alert in alerts:
            if alert.state == RESOLVED and alert.fingerprint in self.alerts:
                del self.alerts[alert.fingerprint]
                which = (alert.type, alert.expectation)
                self._many[which] -= 1
                if not self._many[which]:
                    del self._many[which]
