"""Lines over time as an SVG, for pages that are read in the light and in the dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 760, 190
LEFT, RIGHT, TOP, BOTTOM = 56, 130, 26, 26
COLOURS = ("#2f6fb3", "#c2571a", "#3c8a4e")
INK = "#808080"


@dataclass(frozen=True)
class Line:
    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """Lines with one scale, from 0."""

    title: str
    lines: Sequence[Line]


def plot(x_name: str, panels: Sequence[Panel]) -> str:
    """The panels below each other, over the same time."""
    end = max(x for panel in panels for line in panel.lines for x, _ in line.points)
    drawn = [
        f'<g transform="translate(0 {number * HEIGHT})">{_panel(panel, end, x_name)}</g>'
        for number, panel in enumerate(panels)
    ]
    size = f'viewBox="0 0 {WIDTH} {HEIGHT * len(panels)}"'
    font = 'font-family="system-ui, sans-serif" font-size="12"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>\n'
        + "\n".join(drawn)
        + "\n</svg>\n"
    )


def _panel(panel: Panel, end: float, x_name: str) -> str:
    most = max((y for line in panel.lines for _, y in line.points), default=0) or 1
    step = _step(most)
    top = math.ceil(most / step) * step
    parts = [f'<text x="{LEFT}" y="16" fill="{INK}" font-weight="600">{escape(panel.title)}</text>']

    def x(value: float) -> float:
        return LEFT + value / end * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)

    for number in range(round(top / step) + 1):
        at = y(number * step)
        parts.append(
            f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="{INK}" stroke-opacity=".3"/>'
            f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end" fill="{INK}">'
            f"{number * step:,g}</text>"
        )
    every = _step(end)
    for number in range(int(end / every) + 1):
        parts.append(
            f'<text x="{x(number * every):.1f}" y="{HEIGHT - 8}" text-anchor="middle" '
            f'fill="{INK}">{number * every:g}{" " + x_name if number == 0 else ""}</text>'
        )
    low = TOP
    for line, colour in zip(panel.lines, COLOURS, strict=False):
        path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in line.points)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
            f'<text x="{WIDTH - RIGHT + 8}" y="{low + 10}" fill="{colour}">'
            f"{escape(line.name)}</text>"
        )
        low += 18
    return "".join(parts)


def _step(most: float) -> float:
    """Four or five round steps up to there."""
    rough = most / 4
    power = 10.0 ** math.floor(math.log10(rough))
    return next(f * power for f in (1, 2, 2.5, 5, 10) if f * power >= rough)
