"""Forms on our pages: read without scripts, and taken from our own pages alone.

A browser sends what it knows of a person (their password here) with a form on any other site's
page, too. That page cannot read ours, and so does not know the token that ours carry.
"""

import hmac
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from fastapi import HTTPException, Request

MOST_BYTES = 64_000
MOST_FIELDS = 50
FORM = "application/x-www-form-urlencoded"
TOKEN = "token"  # the field's name
ELSEWHERE = (
    "this form did not come from a page of this server, or from one that was loaded before it was "
    "started anew: load the page again, and send it from there"
)


@dataclass(frozen=True)
class Form:
    """What was filled in; a field that was left empty is not there."""

    fields: dict[str, str]

    def text(self, name: str) -> str:
        return self.fields.get(name, "")

    def given(self, name: str) -> str | None:
        return self.fields.get(name)

    def lines(self, name: str) -> list[str]:
        """Browsers end lines with CR LF, whatever they were given."""
        return [line for one in self.text(name).splitlines() if (line := one.strip())]


@dataclass(frozen=True)
class Forms:
    """A token for all forms of this process; it is not kept longer than that."""

    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    async def read(self, request: Request) -> Form:
        """What a page of ours sent; refuses everything else."""
        headers = request.headers
        if headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
            raise HTTPException(415, "a form is sent as " + FORM)
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise HTTPException(403, ELSEWHERE)
        # Under our referrer policy our own forms say `null`, whatever proxy stands between.
        origin = headers.get("origin", "null")
        if origin != "null" and urlsplit(origin).netloc != headers.get("host"):
            raise HTTPException(403, ELSEWHERE)
        fields = await _fields(request)
        if not hmac.compare_digest(fields.pop(TOKEN, "").encode(), self.token.encode()):
            raise HTTPException(403, ELSEWHERE)
        return Form(fields)


async def _fields(request: Request) -> dict[str, str]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"a form may have {MOST_BYTES:,} bytes: shorten what it says")
    try:
        return dict(parse_qsl(body.decode(), max_num_fields=MOST_FIELDS, errors="strict"))
    except ValueError as error:
        raise HTTPException(400, f"the form cannot be read: {error}") from error
