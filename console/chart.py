"""One series around an alert as an SVG: why it fired, without a script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

WIDTH, HEIGHT = 720, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 8, 10, 22
# A gap of this many usual steps is drawn as a gap: a line across it would claim what nobody measured.
_GAP_STEPS = 5


@dataclass(frozen=True, slots=True)
class Chart:
    """Ready for the template; everything in pixels but the labels.

    lines   "x,y x,y …" of each piece without a gap
    limit   y of the limit, None outside or when there is none
    marks   [(y, "70")] of the value axis; times: [(x, datetime)]
    """

    lines: list[str]
    limit: float | None
    marks: list[tuple[float, str]]
    times: list[tuple[float, datetime]]
    width: int = WIDTH
    height: int = HEIGHT


def draw(points: Sequence[tuple[datetime, float]], limit: float | None) -> Chart | None:
    """Return the chart of (time, value) in order; None for fewer than two points."""
    if len(points) < 2:
        return None
    start, end = points[0][0].timestamp(), points[-1][0].timestamp()
    values = [value for _time, value in points] + ([limit] if limit is not None else [])
    low, high = _margin(min(values), max(values))

    def x(t: float) -> float:
        return round(_LEFT + (t - start) / max(end - start, 1e-9) * (WIDTH - _LEFT - _RIGHT), 1)

    def y(value: float) -> float:
        return round(_TOP + (high - value) / (high - low) * (HEIGHT - _TOP - _BOTTOM), 1)

    pieces = _pieces([(time.timestamp(), value) for time, value in points])
    step = (end - start) / 4
    return Chart(
        lines=[" ".join(f"{x(t)},{y(value)}" for t, value in _thin(piece)) for piece in pieces],
        limit=None if limit is None else y(limit),
        marks=[(y(mark), f"{mark:g}") for mark in _ticks(low, high)],
        times=[
            (x(start + step * k), datetime.fromtimestamp(start + step * k, points[0][0].tzinfo))
            for k in range(5)
        ],
    )


def _margin(low: float, high: float) -> tuple[float, float]:
    """Return a range with some air, never empty."""
    air = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    return low - air, high + air


def _pieces(points: list[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """Cut where samples are missing."""
    steps = sorted(after[0] - before[0] for before, after in pairwise(points))
    gap = max(steps[len(steps) // 2], 1e-3) * _GAP_STEPS
    pieces = [[points[0]]]
    for before, after in pairwise(points):
        if after[0] - before[0] > gap:
            pieces.append([])
        pieces[-1].append(after)
    return pieces


def _thin(piece: list[tuple[float, float]], most: int = 600) -> list[tuple[float, float]]:
    """Keep the lowest and the highest of each bucket: a spike must not vanish."""
    size = math.ceil(len(piece) / (most / 2))
    if size < 2:
        return piece
    kept = []
    for first in range(0, len(piece), size):
        bucket = piece[first : first + size]
        kept += sorted({min(bucket, key=lambda p: p[1]), max(bucket, key=lambda p: p[1])})
    return kept


def _ticks(low: float, high: float) -> list[float]:
    """Return three to six round numbers within the range."""
    step = 10 ** math.floor(math.log10((high - low) / 3))
    for factor in (5, 2, 1):
        if (high - low) / (step * factor) >= 3:
            step *= factor
            break
    first = math.ceil(low / step)
    return [round(k * step, 10) for k in range(first, math.floor(high / step) + 1)]
