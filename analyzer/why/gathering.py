"""All that was seen beside flows, from the store: what `why` is judged from."""

from collections.abc import Callable, Iterable, Sequence

import duckdb

from analyzer.sight import Sight
from analyzer.why.beside import Beside
from analyzer.why.lack import Lack
from analyzer.why.seen import Seen
from analyzer.why.standing import Question, Standing
from collector.consumers.observation import WatchRow
from collector.event import Event
from collector.store import observed


class Gathering:
    """Within one transaction. What many lacks need is read once for all of them, and what is found
    for one of them does not depend on the others."""

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        sight: Sight,
        topics: Iterable[tuple[str, str]],
        flows_of: Callable[[str], Iterable[str]],
        watches: Sequence[WatchRow],
    ) -> None:
        """`topics`: with their sources; `flows_of`: the flows of which a text is an ID, or a key's
        value; `watches`: how far consumers were looked at."""
        self._cursor = cursor
        self._sight = sight
        self._flows_of = flows_of
        self._beside = Beside(cursor, sight, topics)
        self._standing = Standing(cursor, watches)

    def seen(self, lacks: Sequence[Lack]) -> list[Seen]:
        questions = [
            Question(group, lack.step.cause, lack.until)
            for lack in lacks
            if lack.step.cause is not None
            for group in lack.step.groups
        ]
        consumptions = iter(self._standing.consumptions(questions))
        letters, strays = self._beside.letters(lacks), self._beside.strays(lacks)
        return [
            Seen(
                sight=self._sight.under(lack.file.naming),
                consumption={
                    group: next(consumptions)
                    for group in lack.step.groups
                    if lack.step.cause is not None
                },
                letters=letters[number],
                strays=strays[number],
                shared=self._shared(lack, strays[number]),
                producers=self._producers(lack),
            )
            for number, lack in enumerate(lacks)
        ]

    def _shared(self, lack: Lack, strays: Sequence[Event]) -> frozenset[str]:
        """Values of keys that this flow and another one carry: they tell nothing of whose it is."""
        ours = {value for event in lack.episode.events for _, value in event.keys}
        asked = ours & {value for event in strays for _, value in event.keys}
        return frozenset(value for value in asked if set(self._flows_of(value)) - {lack.flow})

    def _producers(self, lack: Lack) -> dict[tuple[str, str, int], str]:
        """Who holds the transaction that may hide what lacks."""
        hiding = self._sight.under(lack.file.naming).hiding(lack.step.awaited)
        if hiding is None:
            return {}
        place = hiding.source, hiding.topic, hiding.partition
        rows = observed.ends(
            self._cursor,
            'WHERE source = ? AND topic = ? AND "partition" = ? '
            "QUALIFY row_number() OVER (ORDER BY moment DESC) = 1",
            place,
        )
        return {place: rows[-1].hung} if rows and rows[-1].hung else {}
