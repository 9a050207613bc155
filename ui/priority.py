"""Pages answer quickly although the tap keeps Python busy, and cost it nothing when nobody asks."""

import sys
import threading

from starlette.types import ASGIApp, Receive, Scope, Send

QUICK_S = 0.00005
"""So long a busy thread keeps Python while somebody waits for a page; 5 ms otherwise."""


class QuickWhileAsked:
    """Shortens Python's thread switch interval while a request is under way."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._usual = sys.getswitchinterval()
        self._asked = 0
        self._lock = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._count(1)
        try:
            await self._app(scope, receive, send)
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._lock:
            self._asked += change
            sys.setswitchinterval(QUICK_S if self._asked else self._usual)
