"""Who runs which step is learned now and then, so that whoever is told why is told at once."""

import asyncio
import logging
from collections.abc import Callable

log = logging.getLogger(__name__)

FIRST_S, EVERY_S = 60.0, 600.0
PARTING_S = 10.0
"""So long an orderly stop waits for it."""


async def learn_now_and_then(
    learn: Callable[[], None], first: float = FIRST_S, every: float = EVERY_S
) -> None:
    """It takes about a second each time, in a thread; what fails is tried again."""
    await asyncio.sleep(first)
    while True:
        learning = asyncio.ensure_future(asyncio.to_thread(learn))
        try:
            await asyncio.shield(learning)
        except asyncio.CancelledError:
            await asyncio.wait([learning], timeout=PARTING_S)
            raise
        except Exception as error:  # nobody is to miss an alert for it
            log.warning("who runs which step could not be learned (%s)", type(error).__name__)
            log.debug("learning", exc_info=error)
        await asyncio.sleep(every)
