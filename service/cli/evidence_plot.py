"""The evidence of an alert as one SVG file: what `fengsui alerts show ID --plot` writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any

from console import chart
from core.time import CHINA

_HEAD = 64
_STYLE = """text{font:12px sans-serif;fill:#333}.title{font-size:15px;font-weight:bold}
polyline{fill:none;stroke:#1565c0;stroke-width:1.5}.grid{stroke:#ddd}.limit{stroke:#c62828;stroke-dasharray:6 3}"""


def svg(title: str, documents: Sequence[Mapping[str, Any]]) -> str:
    """Return the newest evidence as SVG: a chart for what each method made of readings, and for the readings."""
    newest = documents[-1]
    charts = [(one, _chart(one, newest)) for one in (*newest.get("seen", ()), *newest["series"])]
    height = _HEAD + sum(24 + (drawn.height if drawn else 0) for _, drawn in charts)
    body = [
        f'<text class="title" x="8" y="22">{escape(title)}</text>',
        f'<text x="8" y="44">{escape(_rule(newest))}</text>',
    ]
    top = _HEAD
    for one, drawn in charts:
        body.append(f'<text x="8" y="{top + 14}">{escape(_name(one, drawn is not None))}</text>')
        top += 24
        if drawn:
            body.append(f'<g transform="translate(0 {top})">{_drawn(drawn)}</g>')
            top += drawn.height
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{chart.WIDTH}" height="{height}" '
        f'viewBox="0 0 {chart.WIDTH} {height}"><style>{_STYLE}</style>'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(body)}</svg>\n'
    )


def _chart(one: Mapping[str, Any], document: Mapping[str, Any]) -> chart.Chart | None:
    """Return the readings, or what a method made of them, as a chart; the limit only where it is held against these."""
    points = [
        (datetime.fromtimestamp(t / 1000, CHINA), value)
        for t, value in zip(one["t_ms"], one["value"], strict=True)
        if value is not None
    ]
    plain = document["rule"].get("method", "value") == "value"
    judged = document["rule"].get("condition") is None and ("params" in one) is not plain
    return chart.draw(points, document["limit"] if judged else None)


def _name(one: Mapping[str, Any], drawn: bool) -> str:
    said = (one["name"] if "params" in one else f"{one['name']} {one['signal']}") + (
        f" ({one['unit']})" if one["unit"] else ""
    )
    newest = next((value for value in reversed(one["value"]) if value is not None), None)
    return said if drawn else f"{said}: {'no reading' if newest is None else f'{newest:g}'}"


def _rule(document: Mapping[str, Any]) -> str:
    rule = document["rule"]
    numbers = ", ".join(
        f"{name} = {value:g}" for name, value in rule.get("numbers", {}).items() if value is not None
    )
    limit = "" if document["limit"] is None else f" · limit {document['limit']:g} {document['unit']}".rstrip()
    said = rule.get("condition") or rule.get("signal") or "limit of the registry"
    return f"{rule['code']} {rule['version']} · {said}" + (f" · {numbers}" if numbers else "") + limit


def _drawn(drawn: chart.Chart) -> str:
    parts = [
        f'<line class="grid" x1="52" x2="{drawn.width}" y1="{y}" y2="{y}"/>'
        f'<text x="46" y="{y + 4}" text-anchor="end">{label}</text>'
        for y, label in drawn.marks
    ]
    ends = {0: "start", len(drawn.times) - 1: "end"}
    parts += [
        f'<text x="{x}" y="{drawn.height - 5}" text-anchor="{ends.get(n, "middle")}">{time:%H:%M:%S}</text>'
        for n, (x, time) in enumerate(drawn.times)
    ]
    if drawn.limit is not None:
        parts.append(
            f'<line class="limit" x1="52" x2="{drawn.width}" y1="{drawn.limit}" y2="{drawn.limit}"/>'
        )
    parts += [f'<polyline points="{line}"/>' for line in drawn.lines]
    return "".join(parts)
