"""A curve as inline SVG: a line over the steps, labelled ticks, and the value under the pointer, without a script.

Colours come from the page, as CSS. Not here: what is drawn, and the page (`samantha.training.report`).
"""

import math
from collections.abc import Sequence
from html import escape
from itertools import pairwise

WIDTH, HEIGHT = 380, 190  # as wide as a telephone, so that the labels are never drawn smaller than they are set
TOP, RIGHT, BOTTOM = 10, 14, 26
LETTER = 6.2  # width of a digit at the size of a tick's label
TICKS = 4  # about as many on an axis

Point = tuple[float, float]


def curve(points: Sequence[Point], *, says: str, from_zero: bool = False, mark: Point | None = None) -> str:
    """`points` (step, value), in the order of their steps, as an `<svg>`; `says` describes it to who cannot see it.

    With `from_zero` the axis of the values begins there. `mark` is a point to be dwelt upon; without it the last.
    """
    steps, values = _ticks(0.0, points[-1][0], whole=True), _scale([value for _, value in points], from_zero)
    low, high, last = values[0], values[-1], max(points[-1][0], 1.0)
    labels = [tick_label(value, values) for value in values]
    left = 8 + LETTER * max(map(len, labels))

    def place(point: Point) -> Point:
        across = left + (WIDTH - RIGHT - left) * point[0] / last
        return round(across, 1), round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (point[1] - low) / (high - low), 1)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(says)}">']
    for value, label in zip(values, labels, strict=True):
        _, y = place((0, value))
        parts.append(f'<path class="grid" d="M{left:.1f} {y}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text class="tick" x="{left - 6:.1f}" y="{y + 3.5:.1f}" text-anchor="end">{label}</text>')
    for step in steps:
        x, _ = place((step, low))
        anchor, label = "end" if x > WIDTH - 30 else "middle", f"{step:,.0f}" if step else "step 0"
        parts.append(f'<text class="tick" x="{x}" y="{HEIGHT - 8}" text-anchor="{anchor}">{label}</text>')
    seen = [place(point) for point in points]
    parts.append(f'<path class="line" d="M{"L".join(f"{x} {y}" for x, y in seen)}"/>')
    x, y = place(mark or points[-1])
    parts.append(f'<circle class="mark" cx="{x}" cy="{y}" r="3"/>')
    parts += _under_the_pointer(points, seen)
    return "".join([*parts, "</svg>"])


def _under_the_pointer(points: Sequence[Point], seen: Sequence[Point]) -> list[str]:
    """For each point a strip as wide as it is nearest; its dot and its words show while the pointer is there."""
    edges = [seen[0][0], *((one[0] + following[0]) / 2 for one, following in pairwise(seen)), seen[-1][0]]
    return [
        f'<g class="at"><rect x="{edges[at]:.1f}" y="{TOP}" width="{max(1.0, edges[at + 1] - edges[at]):.1f}" '
        f'height="{HEIGHT - BOTTOM - TOP}"/><circle cx="{x}" cy="{y}" r="3"/>'
        f"<title>step {step:,.0f}: {number(value)}</title></g>"
        for at, ((x, y), (step, value)) in enumerate(zip(seen, points, strict=True))
    ]


def number(value: float) -> str:
    """`value` for the eye: four digits, and commas between thousands."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}" if abs(value) >= 1e-3 else _tiny(value)


def _scale(values: Sequence[float], from_zero: bool) -> list[float]:
    """Ticks from below the least of `values` to above the greatest."""
    low, high = (min(0.0, *values) if from_zero else min(values)), max(values)
    if low == high:
        low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
    return _ticks(low, high, around=True)


def _ticks(low: float, high: float, *, whole: bool = False, around: bool = False) -> list[float]:
    """Round numbers from `low` to `high`: those between, or `around` both ends; `whole` has no fractions."""
    rough = max(high - low, 1e-12) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    apart = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    if whole:
        apart = max(1.0, math.ceil(apart))
    first, last = (math.floor(low / apart), math.ceil(high / apart)) if around else (0, math.floor(high / apart))
    return [count * apart for count in range(first, last + 1)]


def tick_label(value: float, ticks: Sequence[float]) -> str:
    """`value` with as many digits as tell it from the other `ticks`."""
    apart = ticks[1] - ticks[0]
    if max(map(abs, ticks)) < 1e-2:
        return _tiny(value)
    digits = next(digits for digits in range(16) if abs(round(apart, digits) - apart) < apart / 100)
    return f"{value:,.{digits}f}"


def _tiny(value: float) -> str:
    """0.00035 as 3.5e-4."""
    mantissa, exponent = f"{value:.3e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}" if value else "0"
