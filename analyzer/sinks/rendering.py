"""Renders templates, in a process of its own: there they may loop or swell, and only it ends.

Reads one `Job` from standard input, and writes an `Outcome` a line.
"""

import contextlib
import sys
from typing import Any

import msgspec
from jinja2 import TemplateError, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

CPU_S = 2
MEMORY = 512 * 2**20
"""Bytes of addresses: Python itself takes a tenth of it."""
LONGEST = 32_000
"""Characters of one text."""


class Job(msgspec.Struct, frozen=True):
    templates: dict[str, str]
    context: dict[str, Any]


class Outcome(msgspec.Struct, frozen=True):
    """Of one template: its text, or what is wrong with it."""

    key: str
    text: str | None = None
    problem: str | None = None


_job = msgspec.json.Decoder(Job).decode


@pass_context
def _as_it_is(context: Context, value: object) -> object:
    return value


def environment() -> ImmutableSandboxedEnvironment:
    """One that reckons nothing out while a template is only checked: it would, of what is
    constant, were it optimised, or were the end of an output known without a context."""
    return ImmutableSandboxedEnvironment(
        autoescape=False, optimized=False, finalize=_as_it_is, cache_size=0
    )


def render(template: str, context: dict[str, Any]) -> str:
    text = ""
    for piece in environment().from_string(template).generate(context):
        text += piece
        if len(text) > LONGEST:
            raise TemplateError(f"its text is longer than {LONGEST} characters")
    return text


def outcome(key: str, template: str, context: dict[str, Any]) -> Outcome:
    try:
        return Outcome(key, text=render(template, context))
    except MemoryError:
        return Outcome(key, problem="it wants more memory than there is for it")
    except Exception as error:  # noqa: BLE001  # a template can raise whatever Python can
        said = str(error).partition("\n")[0][:200]
        return Outcome(key, problem=said or type(error).__name__)


def limit() -> None:
    """Where the system knows such limits."""
    try:
        import resource
    except ImportError:
        return
    for what, most in (
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, MEMORY),
    ):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(what, (most, most))


def main() -> None:
    limit()
    job = _job(sys.stdin.buffer.read())
    for key, template in job.templates.items():
        found = outcome(key, template, job.context)
        sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
