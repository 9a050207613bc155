"""What can be made to go wrong, whom it strikes, and what nonevent should say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

DEFAULT_SHARE = 0.1


class Reach(StrEnum):
    """Whom a fault strikes."""

    ORDER = "order"  # single orders, by lot: at most one of these faults each
    CONVERSATION = "conversation"  # the same among the agents' conversations
    FIELD = "field"  # what a producer writes: beside any other fault, and no flow breaks
    SERVICE = "service"  # a whole service, from on to off


@dataclass(frozen=True)
class Fault:
    """One way to go wrong.

    `expect` is the truth of each flow that suffers: a finding of the rules that ship (with its
    expectation), a verdict of `why`, a detector. `while_on` is the truth of a whole service.
    """

    name: str
    about: str
    reach: Reach
    expect: Mapping[str, str] = field(hash=False)
    share: float = DEFAULT_SHARE
    seen_after: int = 0  # seconds until a rule tells, roughly, with the deadlines that ship
    service: str | None = None  # whom it keeps from answering
    while_on: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def expectation(self) -> str | None:
        return self.expect.get("expectation")


def _finding(
    finding: str, expectation: str, verdict: str = "", detector: str = ""
) -> dict[str, str]:
    told = {"finding": finding, "expectation": expectation}
    return told | ({"verdict": verdict} if verdict else {}) | _detector(detector)


def _detector(name: str, /, **more: str) -> dict[str, str]:
    return {"detector": name, **more} if name else {}


PAYMENT, STOCK = "payment follows order", "stock follows payment"
AMOUNT = "payment takes what was ordered"
SHIPPING, NOTICE = "shipping follows stock", "customer hears of shipping"
RESEARCH, SUMMARY = "research follows request", "summary follows research"

LOST_OUTCOME = Fault(
    name="lost-outcome",
    about="payment takes an order off its topic, commits, and nothing comes out",
    reach=Reach.ORDER,
    expect=_finding("missing", PAYMENT, "swallowed"),
    seen_after=15,
)
LATE = Fault(
    name="late",
    about="payment's outcome comes after its deadline",
    reach=Reach.ORDER,
    expect=_finding("late", PAYMENT, "late"),
    seen_after=18,
)
DUPLICATE = Fault(
    name="duplicate",
    about="shipping publishes one shipment twice, with one event ID",
    reach=Reach.ORDER,
    expect=_finding("repeated", "shipped once", detector="duplicate_publish"),
    seen_after=6,
)
DOUBLE_PROCESSING = Fault(
    name="double-processing",
    about="payment handles one order twice: two outcomes with two event IDs",
    reach=Reach.ORDER,
    expect=_finding("forbidden", "charged once", detector="duplicate_processing"),
    seen_after=6,
)
DROPPED_CORRELATION = Fault(
    name="dropped-correlation",
    about="inventory forgets the correlation ID of what it publishes",
    reach=Reach.ORDER,
    expect=_finding("missing", STOCK, "correlation_dropped", "dropped_correlation"),
    seen_after=15,
)
RETRY_STORM = Fault(
    name="retry-storm",
    about="inventory fails, and tries again through its retry topics until it is late",
    reach=Reach.ORDER,
    expect=_finding("late", STOCK, "retrying", "retry_storm"),
    seen_after=24,
)
DEAD_LETTER = Fault(
    name="dead-letter",
    about="shipping puts stock it cannot ship into a dead-letter topic, with headers that say why",
    reach=Reach.ORDER,
    expect=_finding("missing", SHIPPING, "dead_lettered", "dead_letter"),
    seen_after=15,
)
DEAD_LETTER_BARE = Fault(
    name="dead-letter-bare",
    about="the same by a handler that drops every header, the correlation ID too",
    reach=Reach.ORDER,
    expect=_finding("missing", SHIPPING, "dead_lettered", "dead_letter"),
    seen_after=15,
)
CANCEL_SHIP_RACE = Fault(
    name="cancel-ship-race",
    about="the customer cancels, and shipping ships before it has read the cancellation",
    reach=Reach.ORDER,
    expect=_finding("forbidden", "nothing is shipped once cancelled", "out_of_order", "ordering"),
    seen_after=8,
)
TAX_IN_AMOUNT = Fault(
    name="tax-in-amount",
    about="payment begins to include the tax: its amounts are 13 % higher than the orders'",
    reach=Reach.FIELD,
    expect=_finding("disagree", AMOUNT)
    | _detector("semantic_drift", name="payment.authorized", field="payload.amount"),
    share=1.0,
    seen_after=6,
)
SCHEMA_CHANGE = Fault(
    name="schema-change",
    about="shipping renames `carrier` to `carrier_name`, and quantities become text",
    reach=Reach.FIELD,
    expect=_detector("schema_drift", name="order.shipped", field="payload.carrier"),
    share=1.0,
)
STOPPED_CONSUMER = Fault(
    name="stopped-consumer",
    about="payment's consumer leaves its group, and orders wait in the queue",
    reach=Reach.SERVICE,
    service="payment",
    expect=_finding("missing", PAYMENT, "consumer_down"),
    while_on=_detector("consumer_lag", group="payment-svc", consumer="stopped"),
    seen_after=15,
)
SLOW_CONSUMER = Fault(
    name="slow-consumer",
    about="shipping takes its work one by one, and slowly: its queue grows",
    reach=Reach.SERVICE,
    service="shipping",
    expect=_finding("missing", SHIPPING, "in_queue"),
    while_on=_detector("consumer_lag", group="shipping-svc", consumer="growing"),
    seen_after=45,
)
POISON_MESSAGE = Fault(
    name="poison-message",
    about="notification cannot parse the next shipment, and tries that very message for ever",
    reach=Reach.SERVICE,
    service="notification",
    expect=_finding("missing", NOTICE, "stalled"),
    while_on=_detector("consumer_lag", group="notification-svc", consumer="stuck"),
    seen_after=15,
)
HUNG_TRANSACTION = Fault(
    name="hung-transaction",
    about="a producer opens a transaction on the inventory topic and hangs: what follows is hidden",
    reach=Reach.SERVICE,
    service="shipping",
    expect=_finding("missing", SHIPPING, "hidden"),
    while_on={"verdict": "hidden", "group": "shipping-svc", "consumer": "producer_hung"},
)
AGENT_SILENT = Fault(
    name="agent-silent",
    about="the researcher takes a request, and silently never answers",
    reach=Reach.CONVERSATION,
    expect=_finding("missing", RESEARCH, "swallowed"),
    seen_after=15,
)
AGENT_LATE = Fault(
    name="agent-late",
    about="the writer's summary comes after its deadline",
    reach=Reach.CONVERSATION,
    expect=_finding("late", SUMMARY, "late"),
    seen_after=18,
)

FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        LOST_OUTCOME,
        LATE,
        DUPLICATE,
        DOUBLE_PROCESSING,
        DROPPED_CORRELATION,
        RETRY_STORM,
        DEAD_LETTER,
        DEAD_LETTER_BARE,
        CANCEL_SHIP_RACE,
        TAX_IN_AMOUNT,
        SCHEMA_CHANGE,
        STOPPED_CONSUMER,
        SLOW_CONSUMER,
        POISON_MESSAGE,
        HUNG_TRANSACTION,
        AGENT_SILENT,
        AGENT_LATE,
    )
}
LOTS = (Reach.ORDER, Reach.CONVERSATION)
