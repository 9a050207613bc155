"""Opening the store that the configuration names, with every package's tables."""

from pathlib import Path

from analyzer.tables import ANALYZER_TABLES, ANALYZER_VIEWS
from collector.store.store import Store
from nonevent.config import Configuration
from nonevent.progress import progress


def open_store(
    configuration: Configuration, *, read_only: bool = False, snapshots: bool = False
) -> Store:
    """`snapshots`: a snapshot of one, too, where that will do."""
    path = Path(configuration.store.path)
    with progress(f"migrating {path}") as report:
        return Store(
            path,
            tables=ANALYZER_TABLES,
            views=ANALYZER_VIEWS,
            memory=configuration.store.memory,
            read_only=read_only,
            report=report,
            snapshots=snapshots,
        )
