"""Learning goes on beside everything else, and ends nothing when it fails."""

import asyncio
import threading

import pytest

from nonevent.learning import learn_now_and_then


async def test_what_fails_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    tries: list[int] = []

    def learn() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise ZeroDivisionError

    task = asyncio.create_task(learn_now_and_then(learn, 0, 0.001))
    async with asyncio.timeout(30):
        while len(tries) < 3:
            await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert "could not be learned (ZeroDivisionError)" in caplog.text


async def test_a_stop_waits_for_what_has_begun() -> None:
    begun, go_on, over = threading.Event(), threading.Event(), threading.Event()

    def learn() -> None:
        begun.set()
        go_on.wait(30)
        over.set()

    task = asyncio.create_task(learn_now_and_then(learn, 0, 60))
    async with asyncio.timeout(30):
        while not begun.is_set():
            await asyncio.sleep(0.001)
    task.cancel()
    asyncio.get_running_loop().call_later(0.05, go_on.set)
    await asyncio.gather(task, return_exceptions=True)
    assert over.is_set()
