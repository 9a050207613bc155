"""A crew of AI agents: their steps are events too, and one may silently never come."""

from demo.crew.crew import Crew
from demo.crew.event import TOPICS

__all__ = ["TOPICS", "Crew"]
