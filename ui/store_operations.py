"""The store's operations, done to the store of this process."""

import tempfile
import threading
from pathlib import Path

from collector.store.copying import copy
from collector.store.store import Store
from ui.operations import Busy


class StoreOperations:
    """Copies lie beside the store while they are made and sent: the one place with room."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._copying = threading.Lock()
        for left_over in store.path.parent.glob(f"{self._prefix}*"):
            left_over.unlink(missing_ok=True)

    @property
    def _prefix(self) -> str:
        return f".{self._store.path.name}.copy-"

    def copy(self, *, plain: bool) -> Path:
        if not self._copying.acquire(blocking=False):
            raise Busy("another copy is being made: try again when it is done")
        try:
            path = Path(tempfile.mktemp(prefix=self._prefix, dir=self._store.path.parent))
            copy(self._store, path, plain=plain)
            return path
        finally:
            self._copying.release()
