"""How far a long piece of work has come: told to whoever shows it."""

from collections.abc import Callable

Report = Callable[[int, int], None]
"""(done, of): in any unit; called often enough for a person to watch."""


def unwatched(done: int, of: int) -> None:
    """Nobody looks."""
