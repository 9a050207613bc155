"""Templates to pages: everything escaped, everything invisible made visible."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from collector.payload import JSON_TEXT
from ui import moments
from ui.models import TimelineEvent
from ui.payload import indented
from ui.timeline import GHOST_MARKS
from ui.visible import visible

HERE = Path(__file__).parent
STYLE = (HERE / "static" / "style.css").read_bytes()
ICON = (HERE / "static" / "icon.svg").read_bytes()
# Part of the sheet's address, so that a browser may keep it for good.
STYLE_VERSION = hashlib.sha256(STYLE).hexdigest()[:12]
LONGEST_PAYLOAD = 16_384


def _shown(value: object) -> object:
    """Applied to every `{{ … }}`, so that no template can forget it."""
    if value is None:
        return ""
    return value if isinstance(value, Markup) else visible(str(value))


def flow_path(flow: str) -> str:
    """The page of a flow; IDs may hold slashes, question marks and anything else."""
    return f"/flows/{quote(flow, safe='', errors='replace')}"


def query(path: str, parameters: Mapping[str, object]) -> str:
    """A path with those parameters that have a value."""
    given = {name: value for name, value in parameters.items() if value not in (None, "")}
    return f"{path}?{urlencode(given, errors='replace')}" if given else path


def payload_block(event: TimelineEvent) -> Markup:
    """The payload for a `<pre>`, one field a line when it is JSON, cut when it is huge."""
    text = event.payload or ""
    left_out = len(text) - LONGEST_PAYLOAD
    if left_out > 0:
        text = text[:LONGEST_PAYLOAD]
    elif event.encoding in JSON_TEXT:
        text = indented(text)
    block = Markup.escape(visible(text, block=True))
    if left_out > 0:
        block += Markup("<i>\n… {} more characters</i>").format(f"{left_out:,}")
    return block


def lines(text: str) -> Markup:
    """Text whose line breaks stay: in a `<textarea>`."""
    return Markup.escape(visible(text, block=True))


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "flow_path": flow_path,
        "payload_block": payload_block,
        "lines": lines,
        "clock": moments.clock,
        "day": moments.day,
        "brief": moments.brief,
        "duration": moments.duration,
    }
    environment.globals |= {
        "style_version": STYLE_VERSION,
        "ghost_marks": GHOST_MARKS,
        "query": query,
        "between_ms": moments.between_ms,
    }
    return environment


ENVIRONMENT = _environment()


def page(template: str, *, status_code: int = 200, **values: object) -> HTMLResponse:
    """One template as an answer."""
    return HTMLResponse(ENVIRONMENT.get_template(template).render(values), status_code)
