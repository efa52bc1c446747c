"""Bar charts as SVG, without a plotting library.

One chart holds horizontal bars, one per peer, each with a whisker for the spread and its value in
words; a bar that would dwarf the rest is cut and says so. Colours and text follow the reader's
light or dark theme through a style sheet inside the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

WIDTH = 720
LABEL = 110
VALUE = 120
ROW = 22
BAR = 14
TITLE = 34
CUT = 4.0
"""A bar longer than this many times the median bar is cut."""

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-size: 14px; font-weight: 600 }
.bar { fill: #8c959f } .ours { fill: #1f6feb } .ceiling { fill: #d0d7de }
.whisker { stroke: #24292f; stroke-width: 1 }
.cut { fill: #ffffff }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .ceiling { fill: #3d444d } .whisker { stroke: #e6edf3 }
  .cut { fill: #0d1117 }
}
"""


@dataclass(frozen=True)
class Bar:
    """One peer's figure."""

    label: str
    value: float
    spread: float
    words: str
    """The value as the tables print it."""
    kind: str = "bar"
    """`bar`, `ours` or `ceiling`: how it is coloured."""


def chart(title: str, bars: list[Bar]) -> str:
    """The whole SVG file, bars in the order given."""
    height = TITLE + ROW * len(bars) + 8
    room = WIDTH - LABEL - VALUE
    longest = max((bar.value for bar in bars), default=1.0)
    middle = sorted(bar.value for bar in bars)[len(bars) // 2] if bars else 1.0
    scale = room / (min(longest, CUT * middle) or 1.0)
    rows = [_row(number, bar, scale, room) for number, bar in enumerate(bars)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" role="img" aria-label="{escape(title)}">',
            f"<style>{STYLE}</style>",
            f'<text class="title" x="8" y="20">{escape(title)}</text>',
            *rows,
            "</svg>",
            "",
        ]
    )


def _row(number: int, bar: Bar, scale: float, room: float) -> str:
    top = TITLE + ROW * number
    middle = top + BAR / 2
    length = min(bar.value * scale, room)
    end = LABEL + length
    parts = [
        f'<text x="{LABEL - 8}" y="{middle + 4:.1f}" text-anchor="end">{escape(bar.label)}</text>',
        f'<rect class="{bar.kind}" x="{LABEL}" y="{top}" width="{length:.1f}" height="{BAR}"/>',
    ]
    if bar.value * scale > room * 1.001:
        x = LABEL + room * 0.92
        parts.append(f'<path class="cut" d="M{x:.1f} {top + BAR} l6 -{BAR} h5 l-6 {BAR} z"/>')
    elif bar.spread:
        low, high = (LABEL + (bar.value + sign * bar.spread) * scale for sign in (-1, 1))
        end = min(high, LABEL + room)
        parts.append(
            f'<path class="whisker" d="M{low:.1f} {middle} H{end:.1f} '
            f'M{low:.1f} {middle - 3} v6 M{end:.1f} {middle - 3} v6"/>'
        )
    parts.append(f'<text x="{end + 8:.1f}" y="{middle + 4:.1f}">{escape(bar.words)}</text>')
    return "\n".join(parts)
