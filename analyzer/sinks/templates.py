"""Templates of one's own: checked when they are configured, made in a process that may fail.

Whatever a template does, the alert goes out: in its place comes the default text, with a note.
"""

import asyncio
import logging
import os
import sys
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.meta import TrackingCodeGenerator

from analyzer.notification import Notification
from analyzer.sinks import wording
from analyzer.sinks.rendering import CPU_S, Job, Outcome, environment

log = logging.getLogger(__name__)

RENDERING = (sys.executable, "-m", "analyzer.sinks.rendering")
PATIENCE_S = 30.0
"""A busy machine may take this long for what takes a tenth of a second. Its own limit is `CPU_S`
of computing."""
REMEMBERED = 200
"""Texts that are kept, for what is told again."""
DEFAULTS = ("default_title", "default_body")
_outcome = msgspec.json.Decoder(Outcome).decode
KNOWN = {field.name for field in msgspec.structs.fields(Notification)} | set(DEFAULTS)
PASSED_ON = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "SYSTEMROOT")
"""Of the environment: what Python needs to start. The rest may be secrets."""


def check(text: str) -> None:
    """Raises ValueError with the line of what is wrong with a template."""
    known = environment()
    try:
        tree = known.parse(text)
        if (found := tree.find(nodes.ScopedEvalContextModifier)) is not None:
            raise TemplateSyntaxError("`autoescape` is not there: texts are plain", found.lineno)
        compiled = TrackingCodeGenerator(known)
        compiled.optimizer = None  # it would reckon out what is constant, however long that takes
        compiled.visit(tree)
        unknown = compiled.undeclared_identifiers - KNOWN
    except TemplateSyntaxError as error:
        raise ValueError(f"line {error.lineno}: {error.message}") from None
    except (TemplateError, RecursionError, MemoryError, SyntaxError) as error:
        raise ValueError(f"this is no template: {error or type(error).__name__}") from None
    if unknown:
        name = min(unknown)
        line = next((n for n, of in enumerate(text.splitlines(), 1) if name in of), 1)
        raise ValueError(
            f"line {line}: there is no `{name}`; there are: {', '.join(sorted(KNOWN))}"
        )


@dataclass(frozen=True)
class Written:
    """What templates came to."""

    texts: dict[str, str]
    """By key; those whose template failed are not among them."""
    note: str = ""
    """What went wrong, for the people who read the default instead."""


class Texts:
    """One sink's templates. `None` is: the default will do."""

    def __init__(self, sink: str, templates: Mapping[str, str | None]) -> None:
        self._sink = sink
        self._templates = {key: text for key, text in templates.items() if text is not None}
        self._remembered: OrderedDict[tuple[str, int], Written] = OrderedDict()

    async def of(self, told: Notification) -> Written:
        if not self._templates:
            return Written({})
        key = (told.id, told.merged)
        if (known := self._remembered.get(key)) is not None:
            return known
        written = self._remembered[key] = await self._write(told)
        while len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)
        return written

    async def title_and_body(self, told: Notification) -> tuple[str, str]:
        """Of those that have both; with a note in the body, where a template failed."""
        written = await self.of(told)
        title = written.texts.get("title")
        body = written.texts.get("body") or wording.body(told)
        if written.note:
            body = f"{body}\n({written.note})"
        return wording.one_line(title).strip() if title else wording.title(told), body

    async def _write(self, told: Notification) -> Written:
        context = msgspec.to_builtins(told)
        context |= {"default_title": wording.title(told), "default_body": wording.body(told)}
        outcomes = await _rendered(Job(self._templates, context))
        texts: dict[str, str] = {}
        problems: list[str] = []
        for key in self._templates:
            outcome = outcomes.get(key) or Outcome(key, problem=NOT_IN_TIME)
            if outcome.text is not None:
                texts[key] = outcome.text
            else:
                problems.append(f"the template `{key}` failed: {outcome.problem}")
        if not problems:
            return Written(texts)
        note = f"{'; '.join(problems)}: this is the default text"
        log.warning("sink %s: %s", self._sink, wording.one_line(note))
        return Written(texts, note)


NOT_IN_TIME = f"it took more than {CPU_S} s of computing, or more memory than there is for it"


async def _rendered(job: Job) -> dict[str, Outcome]:
    """What the other process came to; it may end before it is through, or not begin at all."""
    try:
        said = await _said_by_the_other(msgspec.json.encode(job))
        lines = [line for line in said.splitlines(keepends=True) if line.endswith(b"\n")]
        return {one.key: one for one in (_outcome(line) for line in lines)}
    except (TimeoutError, OSError, msgspec.DecodeError) as error:
        log.warning("templates are not rendered: %s", type(error).__name__)
        return {}


async def _said_by_the_other(job: bytes) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *RENDERING,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            said, _ = await process.communicate(job)
            return said
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
