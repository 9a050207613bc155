"""Which groups globs name."""

from collections.abc import Sequence
from fnmatch import fnmatchcase


def group_wanted(globs: Sequence[str], group: str) -> bool:
    """Fits a glob, and none with `!` in front."""
    if any(fnmatchcase(group, glob[1:]) for glob in globs if glob.startswith("!")):
        return False
    return any(fnmatchcase(group, glob) for glob in globs)
