"""A notification in words: what people read where nobody wrote a template."""

from analyzer.notification import Notification

FLOWS = 10
"""So many flows and other alerts are named at most."""
TITLE, LINE = 200, 500
"""Characters: a flow's ID or a sentence from the bus may be of any length."""


def title(told: Notification) -> str:
    """One line: how it stands, what with, how many."""
    what = told.expectation if told.about is None else f"{told.expectation} ({told.about})"
    head = "resolved" if told.status == "resolved" else told.severity
    return cut(one_line(f"[{head.upper()}] {told.type}: {what}{_how_many(told)}"), TITLE)


def _how_many(told: Notification) -> str:
    if told.status == "resolved":
        return ""
    if told.change == "again":
        return f", still {told.count} open"
    if told.change == "more":
        return f", {told.count} open, {told.new} of them new"
    return "" if told.about is not None else f", {told.count} open"


def body(told: Notification) -> str:
    """What was expected, how many, since when, which flows, where to look."""
    lines = [told.text]
    if told.why is not None:
        lines.append(f"Why: {told.why.text}")
    if told.reason:
        lines.append(told.reason)
    lines += ["", f"Since {told.since}" + (f" until {told.until}" if told.until else "")]
    if told.status != "resolved" and told.about is None:
        lines.append(f"Open: {told.count}, {told.new} of them new")
    if told.oldest:
        lines.append(f"Oldest flow: {told.oldest}")
    if flows := flows_of(told):
        new = told.change == "more"
        more = (told.new if new else told.count) - len(flows)
        head = "New flows" if new else "Flows"
        lines.append(f"{head}: {', '.join(flows)}" + (f" and {more} more" if more > 0 else ""))
    if told.labels:
        lines.append(", ".join(f"{key}: {value}" for key, value in sorted(told.labels.items())))
    lines += _also(told)
    if told.runbook:
        lines.append(f"Runbook: {told.runbook}")
    lines.append(told.link)
    if told.merged:
        lines.append(f"(in place of {told.merged} earlier messages that could not be delivered)")
    return "\n".join(cut(one_line(line), LINE) for line in lines)


def flows_of(told: Notification) -> list[str]:
    """The flows of its findings, the oldest first, each once."""
    flows = [str(one["flow"]) for one in told.findings if one.get("flow")]
    return list(dict.fromkeys(flows))[:FLOWS]


def _also(told: Notification) -> list[str]:
    if not told.also:
        return []
    lines = ["For the same flows:"]
    lines += [
        f"- [{one.severity.upper()}] {one.type}: {one.expectation}, {one.count} open: {one.link}"
        for one in told.also[:FLOWS]
    ]
    if len(told.also) > FLOWS:
        lines.append(f"- and {len(told.also) - FLOWS} more")
    return lines


def one_line(text: str) -> str:
    """Without what would begin a new line, or do worse, in a log or in the head of a mail."""
    return "".join(character if character.isprintable() else " " for character in text)


def cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
