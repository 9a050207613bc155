"""The crew, put together: a coordinator asks, a researcher finds, a writer sums up."""

from __future__ import annotations

from demo.crew.conversation import Conversation
from demo.crew.roles import CONVERSATIONS, ROLES
from demo.plan import FaultPlan
from demo.services.house import House
from demo.services.timing import Timing
from demo.switches import Switches
from demo.truth import Truth


class Crew(House[Conversation]):
    """Agents that hand each other their work over topics of their own."""

    def __init__(
        self,
        bootstrap: str,
        faults: FaultPlan | Switches,
        truth: Truth,
        timing: Timing | None = None,
        prefix: str = "",
    ) -> None:
        switches = Switches(faults) if isinstance(faults, FaultPlan) else faults
        super().__init__(bootstrap, CONVERSATIONS, ROLES, switches, truth, timing, prefix)

    async def begin(self, work: Conversation) -> None:
        await self.services["coordinator"].publish("AnalysisRequested", work, work.flow, {})
