"""Where judging itself fails, by a mistake of ours: what was asked is unknown, and why is told.

One flow, or one expectation, is then not judged; all others are. Without this, one odd event would
end the daemon, at each new start again.
"""

from pathlib import Path
from traceback import extract_tb

from analyzer.instance import Instance

LONGEST = 200
"""Characters of an error's own words; it may quote a payload."""


def failed(expectation: str, error: Exception, by: str = "") -> Instance:
    """What is told of an expectation that could not be judged."""
    return Instance(expectation, "unknown", text=why(error), by=by, failed=True)


def why(error: Exception) -> str:
    """What went wrong, and where in the code."""
    frames = extract_tb(error.__traceback__)
    said = " ".join(str(error).split())[:LONGEST]
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
    words = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return f"could not be judged: {words} ({place})"
