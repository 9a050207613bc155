"""Files that are on the disk before anyone relies on them."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """The file's content and its name."""
    for place in (path, path.parent):
        handle = os.open(place, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
