"""A notification as a line of the daemon's log."""

import logging

import msgspec

log = logging.getLogger("nonevent.alerts")


class LogSink:
    async def deliver(self, fingerprint: str, body: str) -> None:
        told = msgspec.json.decode(body)
        finding = told["finding"]
        log.warning(
            "%s %s [%s] %s: %s (flow %s, %s)",
            told["status"], finding["finding"], finding["severity"], finding["expectation"],
            told["reason"] or finding["text"], finding["flow"], told["link"],
        )  # fmt: skip

    async def close(self) -> None:
        pass
