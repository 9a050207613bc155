"""The crew's three agents, and what each does on which event."""

from __future__ import annotations

import asyncio

from demo.chance import chance
from demo.crew.conversation import Conversation, conversation, number_of
from demo.crew.event import AWAITS, FLOW_HEADER, TOPIC_OF, headers
from demo.faults import AGENT_LATE, AGENT_SILENT
from demo.services.role import Cause, Role
from demo.services.service import Service
from demo.services.work import Business


async def research(researcher: Service[Conversation], cause: Cause[Conversation]) -> None:
    asked = cause.work
    if asked.fault is AGENT_SILENT:
        researcher.after_commit(lambda: researcher.lose(AGENT_SILENT, asked, cause.position))
        return
    sources = chance(researcher.setting.switches.seed, asked.number, "sources").randint(2, 9)
    more = {"sources": sources, "tokens": sources * 410}
    await researcher.publish("ResearchComplete", asked, cause.event.flow, more)


async def write(writer: Service[Conversation], cause: Cause[Conversation]) -> None:
    if cause.work.fault is AGENT_LATE:
        writer.later(write_late(writer, cause))
    else:
        await writer.publish("SummaryGenerated", cause.work, cause.event.flow, {"tokens": 220})


async def write_late(writer: Service[Conversation], cause: Cause[Conversation]) -> None:
    timing, asked = writer.setting.timing, cause.work
    await asyncio.sleep(timing.within + timing.late_by)
    sent = await writer.publish("SummaryGenerated", asked, cause.event.flow, {"tokens": 220})
    writer.tell(AGENT_LATE, asked, sent)


async def deliver(coordinator: Service[Conversation], cause: Cause[Conversation]) -> None:
    coordinator.setting.ledger.end(cause.work.number, "completed")


CONVERSATIONS = Business(
    topic_of=TOPIC_OF,
    side_topics={},
    flow_header=FLOW_HEADER,
    awaits=AWAITS,
    work=conversation,
    number_of=number_of,
    headers=headers,
)
ROLES = (
    Role("coordinator", "coordinator-agent", {"SummaryGenerated": deliver}),
    Role("researcher", "researcher-agent", {"AnalysisRequested": research}),
    Role("writer", "writer-agent", {"ResearchComplete": write}),
)
