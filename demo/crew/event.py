"""The agents' events, with the headers that OpenTelemetry's conventions for GenAI name."""

from __future__ import annotations

from collections.abc import Mapping

from demo.faults import RESEARCH, SUMMARY
from demo.services.event import Event, Headers
from demo.services.work import Awaited

TOPIC_OF: Mapping[str, str] = {
    "AnalysisRequested": "agent.requests",
    "ResearchComplete": "agent.research",
    "SummaryGenerated": "agent.summaries",
}
TOPICS: tuple[str, ...] = tuple(TOPIC_OF.values())
FLOW_HEADER = "gen_ai.conversation.id"

AWAITS: Mapping[str, Awaited] = {
    "AnalysisRequested": Awaited(RESEARCH, "researcher", ("ResearchComplete",)),
    "ResearchComplete": Awaited(SUMMARY, "writer", ("SummaryGenerated",)),
}


def headers(event: Event, agent: str) -> Headers:
    words = {
        "type": event.type,
        "event_id": event.event_id,
        "producer": agent,
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.id": f"agent-{agent}",
        "gen_ai.agent.name": agent,
    }
    if event.flow is not None:
        words[FLOW_HEADER] = event.flow
    return [(name, word.encode()) for name, word in words.items()]
