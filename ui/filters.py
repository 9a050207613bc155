"""The query parameters of the lists: what may be asked, checked before the store is."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ui.alert_models import ActKind, AlertState, PeriodState
from ui.models import CountedBy, FindingState, FlowState

MOST_ITEMS = 1_000
MOST_COUNTS = 10_000
MOST_CHARACTERS = 2_000
MOMENT = "RFC 3339 with a zone, epoch milliseconds, or an age such as `1h`"


def _none_if_blank(value: object) -> object:
    # A form sends every field, those that were left empty too.
    return None if value == "" else value


def _trimmed(value: object) -> object:
    # What is pasted into the search box brings its surrounding blanks along.
    return _none_if_blank(value.strip(" \t\r\n")) if isinstance(value, str) else value


Blank = BeforeValidator(_none_if_blank)
Text = Annotated[Annotated[str, Field(max_length=MOST_CHARACTERS)] | None, Blank]
Moment = Annotated[Annotated[str, Field(max_length=64)] | None, Blank, Field(description=MOMENT)]
Limit = Annotated[int, Field(ge=1, le=MOST_ITEMS)]


class Filter(BaseModel):
    """A misspelt parameter is refused: ignored, it would silently answer another question."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FlowFilter(Filter):
    """Which flows."""

    type: Annotated[Text, Field(description="the flow type, such as `order`")] = None
    state: Annotated[FlowState | None, Blank] = None
    q: Annotated[
        Text,
        BeforeValidator(_trimmed),
        Field(description="a correlation ID or the value of any key"),
    ] = None
    name: Annotated[Text, Field(description="flows that have an event of this name")] = None
    without: Annotated[Text, Field(description="flows that have no event of this name")] = None
    since: Moment = None
    until: Moment = None
    limit: Limit = 50
    cursor: Annotated[Text, Field(description="`next` of the page before")] = None


class FindingFilter(Filter):
    """Which findings; all states unless one is given."""

    expectation: Text = None
    state: Annotated[FindingState | None, Blank] = None
    flow: Annotated[Text, Field(description="the correlation ID of the flow")] = None
    alert: Annotated[Text, Field(description="the fingerprint of the alert")] = None
    since: Moment = None
    limit: Limit = 100
    cursor: Annotated[Text, Field(description="`next` of the page before")] = None


class WhyFilter(Filter):
    """Of what in the flow; all that is missing unless one is given."""

    expectation: Text = None


class AlertFilter(Filter):
    """Which alerts; all states unless one is given, and those that fit every `label`."""

    state: Annotated[AlertState | None, Blank] = None
    expectation: Text = None
    severity: Text = None
    label: Annotated[
        list[Annotated[str, Field(max_length=MOST_CHARACTERS)]],
        BeforeValidator(lambda given: [one for one in given if one]),
        Field(max_length=20, description="a matcher such as `team=payments`; may be repeated"),
    ] = []
    since: Moment = None
    limit: Limit = 50
    cursor: Annotated[Text, Field(description="`next` of the page before")] = None


class PeriodFilter(Filter):
    """Which silences or marks; all of them unless a state is given."""

    state: Annotated[PeriodState | None, Blank] = None
    limit: Limit = 100
    cursor: Annotated[Text, Field(description="`next` of the page before")] = None


class ActFilter(Filter):
    """Whose acts, and which."""

    kind: Annotated[ActKind | None, Blank] = None
    author: Text = None
    alert: Annotated[Text, Field(description="the fingerprint of the alert")] = None
    since: Moment = None
    limit: Limit = 100
    cursor: Annotated[Text, Field(description="`next` of the page before")] = None


class ConsumerFilter(Filter):
    """Which consumers; all unless a group is given."""

    group: Text = None


class ServiceFilter(Filter):
    """Which services, by their name or group; all unless one is given."""

    service: Text = None
    since: Moment = None


class ExportFilter(Filter):
    """Which events to write as lines; all of them unless something is given."""

    since: Moment = None
    until: Moment = None
    topic: Text = None
    flow: Annotated[Text, Field(description="the correlation ID of the flow")] = None


class CountFilter(Filter):
    """Which minutes: those that begin from `since` on and before `until`."""

    since: Moment = None
    until: Moment = None
    by: Annotated[
        CountedBy | None, Blank, Field(description="each source, topic or name by itself")
    ] = None
    limit: Annotated[int, Field(ge=1, le=MOST_COUNTS)] = MOST_COUNTS
    cursor: Annotated[Text, Field(description="`next` of the page before")] = None


class EventFilter(Filter):
    """Which events; the newest ones unless `after` says where to go on."""

    after: Annotated[
        Annotated[int, Field(ge=0, lt=2**63)] | None,
        Blank,
        Field(description="events stored after this `seq`"),
    ] = None
    topic: Text = None
    name: Text = None
    untied: Annotated[bool, Field(description="only events that are in no flow")] = False
    problems: Annotated[bool, Field(description="only events with a problem")] = False
    limit: Limit = 100
