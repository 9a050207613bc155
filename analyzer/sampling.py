"""Which expectations look at topics of which only a part of the flows is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analyzer.rules.kind import Expectation
from analyzer.rules.rule import Rule
from analyzer.rules.ruleset import RuleFile
from analyzer.rules.sighted import activating, sighted
from analyzer.sight import Sample, share_of
from collector.store.rollups import Sighting


@dataclass(frozen=True)
class SampledTopic:
    """Of this topic so much is kept, and these names were seen there."""

    source: str
    topic: str
    share: float
    seen: tuple[Sighting, ...]


def sampled_topics(
    samples: Mapping[str, Sequence[Sample]], seen: Mapping[str, Sequence[Sighting]]
) -> list[SampledTopic]:
    """Both by source; of all that was seen there, what lies on a topic that is sampled."""
    return [
        SampledTopic(source, topic, share, tuple(one for one in there if one.topic == topic))
        for source, there in seen.items()
        for topic in sorted({one.topic for one in there})
        if (share := share_of(topic, samples.get(source, ()))) < 1
    ]


def sampled(
    file: RuleFile, expectation: Expectation, topics: Sequence[SampledTopic]
) -> list[SampledTopic]:
    """Those on which something was seen that the expectation looks at."""
    names = {*expectation.names(), *activating(file, expectation)}
    if isinstance(expectation, Rule):
        names |= expectation.awaits()
    return [one for one in topics if sighted(file, names, one.seen).events]
