"""The rule files that ship with the demo, also with other deadlines."""

from __future__ import annotations

import re
from pathlib import Path

import expectations

FOLDER = Path(expectations.__file__).parent
SHOP = FOLDER / "shop.yaml"
AGENTS = FOLDER / "agents.yaml"
WRITTEN = "within: 10s"


def shop_rules(
    payment: str = "10s", stock: str = "10s", shipping: str = "10s", notice: str = "10s"
) -> str:
    """The shop's rules with these deadlines, without their tests (which count on 10s)."""
    return _with(SHOP, payment, stock, shipping, notice)


def agents_rules(research: str = "10s", summary: str = "10s") -> str:
    """The same for the agents."""
    return _with(AGENTS, research, summary)


def _with(path: Path, *within: str) -> str:
    rules, _, _ = path.read_text(encoding="utf-8").partition("\ntests:")
    deadlines = iter(within)
    return re.sub(WRITTEN, lambda _: f"within: {next(deadlines)}", rules) + "\n"
