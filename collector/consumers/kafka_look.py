"""One look at the consumers of a Kafka cluster: nothing is joined, committed, or written."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.offset import OffsetRequest

from collector.consumers.kafka_commits import CommitTopic, Exact
from collector.consumers.kafka_requests import (
    DescribeClassic,
    DescribeConsumer,
    DescribeProducers,
    DescribeShare,
    FetchCommitted,
    ListGroups,
)
from collector.consumers.matching import group_wanted
from collector.consumers.observation import End, GroupState, Look, Place
from collector.sources.kafka_client import PatientClient
from collector.sources.kafka_topics import Topic, exact, topics_named

NO_DESCRIBE = "we may not describe it: grant DESCRIBE on the group"
NO_TOPIC = "we may not describe its topics: grant DESCRIBE on them"
SHARE = "a share group: it keeps no offsets, and is given again what it did not acknowledge"
_GROUP_DENIED = 30
_LATEST = -1
_CONSUMER = -1

Groups = dict[int, dict[str, GroupState]]
"""By the broker that coordinates them."""


async def look(
    client: PatientClient,
    globs: Sequence[str],
    clock: Callable[[], int],
    topic: CommitTopic | None = None,
    expected: Collection[str] = (),
) -> Look:
    """Commits before ends. Of brokers that are away the groups are left out, and said to be.
    `topic`: what was committed meanwhile is read from there; `expected`: groups that are told of
    where they are only denied, which nobody lists."""
    by_node, listed_all = await _list(client, globs)
    named = {glob for glob in exact(globs) if not glob.startswith("!")}
    beyond = {group for group in expected if group_wanted(globs, group)} - named
    await _find(client, by_node, sorted(named), sorted(beyond))
    groups: dict[str, GroupState] = {}
    unseen: set[str] = set()
    for node, states in by_node.items():
        groups |= await _describe(client, node, states)
    asked = clock()
    commits: dict[str, dict[Place, int]] = {}
    for node, states in by_node.items():
        await _commits(client, node, [g for g in states if g in groups], groups, commits, unseen)
    told = {} if topic is None else await topic.read(client, clock)
    exactly = _of_groups_seen(told, groups, commits, unseen)
    for (group, place), some in exactly.items():
        committed = some[-1].committed
        if committed is not None:
            commits[group][place] = committed
        elif group in commits:
            commits[group].pop(place, None)
    answered = clock()
    for group in unseen:
        groups.pop(group, None)
    places = {place for of_group in commits.values() for place in of_group}
    ends = await _ends(client, places)
    return Look(
        asked, answered, groups, commits, ends, frozenset(unseen), exact=exactly, whole=listed_all
    )  # fmt: skip


def _of_groups_seen(
    told: Exact,
    groups: Mapping[str, GroupState],
    commits: Mapping[str, object],
    unseen: set[str],
) -> Exact:
    """Of those that were asked for their commits; and of those that are gone that these are."""
    found = {}
    for (group, place), some in told.items():
        state = groups.get(group)
        gone = some[-1].committed is None and (state is None or state.why is None)
        if group not in unseen and (group in commits or gone):
            found[group, place] = some
    return found


async def _list(client: PatientClient, globs: Sequence[str]) -> tuple[Groups, bool]:
    """The groups that are wanted; and whether every broker has told its own."""
    found: Groups = {}
    whole = True
    nodes = [int(broker.nodeId) for broker in client.cluster.brokers()] or [
        await client.some_node()
    ]
    for node in nodes:
        try:
            answer: Any = await client.send(node, ListGroups())
        except (IncompatibleBrokerVersion, NotImplementedError):
            raise
        except KafkaError:
            whole = False
            continue
        whole = whole and answer.error_code == 0
        of_node = found.setdefault(node, {})
        for group, protocol, state, *rest in answer.groups or ():
            kind = rest[0] if len(rest) > 1 else ("share" if protocol == "share" else "classic")
            if group_wanted(globs, group) and (
                protocol in ("consumer", "share", "") or not protocol
            ):
                of_node[group] = GroupState(kind.lower(), state, None)
    if not any(found.values()) and not whole and not found:
        await client.some_node()  # says why none is there
    return found, whole


async def _find(
    client: PatientClient, by_node: Groups, named: Iterable[str], expected: Collection[str]
) -> None:
    """Groups that were not listed, asked for by name. Of those that are `expected`, and may be
    asked for, nobody having listed them tells that they are no more."""
    listed = {group for states in by_node.values() for group in states}
    for group in (*named, *expected):
        if group in listed:
            continue
        try:
            node = await client.some_node()
            answer: Any = await client.send(node, FindCoordinatorRequest(group, 0))
        except KafkaError:
            continue
        if answer.error_code == 0 and group not in expected:
            states = by_node.setdefault(int(answer.coordinator_id), {})
            states[group] = GroupState("classic", "Gone", None)
        elif answer.error_code == _GROUP_DENIED:
            states = by_node.setdefault(node, {})
            states[group] = GroupState("", "Unknown", None, NO_DESCRIBE)


async def _describe(
    client: AIOKafkaClient, node: int, states: Mapping[str, GroupState]
) -> dict[str, GroupState]:
    """With members, as far as they are told."""
    found = dict(states)
    kinds: tuple[tuple[str, Callable[[list[str]], Any]], ...] = (
        ("classic", DescribeClassic), ("consumer", DescribeConsumer), ("share", DescribeShare),
    )  # fmt: skip
    for kind, request in kinds:
        groups = [g for g, state in states.items() if state.type == kind and state.why is None]
        if not groups:
            continue
        try:
            answer: Any = await client.send(node, request(groups))
        except (KafkaError, NotImplementedError):
            continue
        for one in answer.groups:
            error, group, state = (
                (one[0], one[1], one[2]) if kind == "classic" else (one[0], one[2], one[3])
            )
            members = one[5] if kind == "classic" else one[7]
            if error == _GROUP_DENIED:
                found[group] = GroupState(kind, "Unknown", None, NO_DESCRIBE)
            elif error == 0 and group in found:
                state = "Gone" if state == "Dead" else state
                found[group] = GroupState(kind, state, len(members or ()))
    return {
        group: state._replace(why=SHARE) if state.type == "share" else state
        for group, state in found.items()
    }


async def _commits(
    client: AIOKafkaClient,
    node: int,
    asked: Sequence[str],
    groups: dict[str, GroupState],
    commits: dict[str, dict[Place, int]],
    unseen: set[str],
) -> None:
    seeable = [group for group in asked if groups[group].why is None]
    if not seeable:
        return
    try:
        answer: Any = await client.send(node, FetchCommitted(seeable))
    except KafkaError:
        unseen.update(seeable)
        return
    for group, of_group in answer.groups.items():
        if of_group.error == _GROUP_DENIED:
            groups[group] = groups[group]._replace(state="Unknown", why=NO_DESCRIBE)
        elif of_group.error:
            unseen.add(group)
        elif of_group.offsets or groups[group].state != "Gone":
            commits[group] = {
                Place(topic, partition): offset for topic, partition, offset in of_group.offsets
            }


async def _ends(client: PatientClient, places: set[Place]) -> dict[Place, End]:
    """What may not be described, or whose leader is away, is left out."""
    names = sorted({place.topic for place in places})
    if not names:
        return {}
    topics = await topics_named(client, await client.some_node(), names)
    by_leader: dict[int, dict[str, list[int]]] = {}
    for place in places:
        topic = topics.get(place.topic)
        leader = None if topic is None else topic.partitions.get(place.partition)
        if leader is not None and leader.node >= 0:
            of_node = by_leader.setdefault(leader.node, defaultdict(list))
            of_node[place.topic].append(place.partition)
    found: dict[Place, End] = {}
    for node, of_node in by_leader.items():
        found |= await _ends_at(client, node, of_node, topics)
    return found


async def _ends_at(
    client: AIOKafkaClient, node: int, asked: Mapping[str, list[int]], topics: Mapping[str, Topic]
) -> dict[Place, End]:
    try:
        marks = await _latest(client, node, asked, 0)
        stable = await _latest(client, node, asked, 1)
    except KafkaError:
        return {}
    held = [p for p, end in stable.items() if end < marks.get(p, end)]
    hung = await _producers(client, node, held) if held else {}
    return {
        place: End(
            topics[place.topic].id, end, max(end, marks.get(place, end)), hung.get(place), node
        )
        for place, end in stable.items()
    }


async def _latest(
    client: AIOKafkaClient, node: int, asked: Mapping[str, list[int]], isolation: int
) -> dict[Place, int]:
    wanted = [(topic, [(p, _LATEST) for p in parts]) for topic, parts in asked.items()]
    answer: Any = await client.send(node, OffsetRequest(_CONSUMER, isolation, wanted))
    return {
        Place(topic, partition): int(rest[1])
        for topic, partitions in answer.topics
        for partition, error, *rest in partitions
        if error == 0
    }


async def _producers(client: AIOKafkaClient, node: int, held: Iterable[Place]) -> dict[Place, str]:
    """Whose transaction is open there, the oldest of each partition."""
    topics: dict[str, list[int]] = {}
    for place in held:
        topics.setdefault(place.topic, []).append(place.partition)
    try:
        answer: Any = await client.send(node, DescribeProducers(list(topics.items())))
    except (KafkaError, NotImplementedError):
        return {}
    found = {}
    for topic, partitions, _ in answer.topics:
        for partition, error, _, producers, _ in partitions:
            open_ones = [(one[5], one[0]) for one in producers or () if one[5] >= 0]
            if error == 0 and open_ones:
                start, producer = min(open_ones)
                found[Place(topic, partition)] = f"producer {producer} since offset {start}"
    return found
