"""`nonevent why`: the reason in words, with its evidence."""

from typing import Annotated

import typer
from rich.console import Console

from nonevent.asking import asking
from nonevent.options import Config, Rules, StorePath, Token, Url, print_json
from nonevent.terminal import QUIET, stdout, words
from ui.errors import UnknownFlowError
from ui.models import WhyAnswer, WhyItem


def why(
    flow_or_key: Annotated[str, typer.Argument(help="A correlation ID, or a key such as ord-123.")],
    expectation: Annotated[
        str | None, typer.Argument(help="Of this expectation; else of all that is missing.")
    ] = None,
    config: Config = None, url: Url = None, store: StorePath = None,
    rules: Rules = [],  # noqa: B006  # Typer copies it
    token: Token = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of words.")] = False,
) -> None:  # fmt: skip
    """Say why something is missing from a flow, late, or awaited still, or why it was not stopped,
    with its evidence.

    Exit code 0 when nothing is, 1 when something is, 3 when there is no such flow.

    Examples:

      nonevent why ord-00123

      nonevent why ord-00123 'payment follows order' --json
    """
    with asking(config, url, store, rules, token) as queries:
        found = queries.why(flow_or_key, expectation)
    if found is None:
        raise UnknownFlowError(flow_or_key)
    if json:
        print_json(WhyAnswer.of(found))
    else:
        console = stdout()
        if not found.items:
            console.print(words("Nothing that is expected of this flow is missing or awaited."))
        for item in found.items:
            _print(item, console)
    raise typer.Exit(1 if found.items else 0)


def _print(item: WhyItem, console: Console) -> None:
    head = words(item.verdict.replace("_", " "), "bold").append(f" ({item.confidence})  ")
    console.print(head.append(words(item.expectation)).append("  ").append(words(item.flow, QUIET)))
    console.print(words(f"  {item.text}", block=True))
    for proof in item.evidence:
        told = [f"{name}={value}" for name, value in proof.items() if value not in (None, "")]
        console.print(words(f"    {'  '.join(told)}", QUIET, block=True), soft_wrap=True)
    console.print(words("  It is not", QUIET))
    for one in item.ruled_out:
        console.print(words(f"    {one.verdict.replace('_', ' ')}: {one.why}", QUIET, block=True))
