"""What one value cannot tell: references, what a new thing needs, and limits that would never fire."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from core.levels import Level
from registry import signals
from registry.importer.fields import OF_KIND, REQUIRED
from registry.importer.town import KINDS, Entry, Held, LimitRow, Town, line_name
from registry.words import AreaLevel, Side

# column -> the kind it refers to.
REFERENCES: Mapping[str, Mapping[str, str]] = {
    "area": {"parent": "area"},
    "enterprise": {"area": "area"},
    "contact": {"enterprise": "enterprise", "area": "area"},
    "gateway": {"enterprise": "enterprise"},
    "device": {"gateway": "gateway"},
    "series": {"device": "device"},
}


def check(town: Town, held: Held) -> None:
    """Add to the town's errors whatever is wrong between its entries and with what the registry holds."""
    for kind in KINDS:
        for entry in town.entries[kind].values():
            old = held[kind].get(entry.key)
            if old is None:
                _complete(town, kind, entry)
            _references(town, held, kind, entry)
            if kind == "area":
                _above(town, held, entry)
            if kind == "series":
                _series(town, entry, {**(old or {}), **entry.fields})


def _complete(town: Town, kind: str, entry: Entry) -> None:
    """A new thing needs its required columns."""
    names = {field.column: name for name, field in OF_KIND[kind].items()}
    for column in REQUIRED[kind]:
        if column not in entry.fields and column not in entry.lines:
            what = f"{kind} {'/'.join(entry.key)}"
            town.wrong(entry.line, f"{what} is new and has no {names[column]}", f"Add {names[column]}.")
    if kind == "contact" and not {"enterprise", "area"} & entry.lines.keys():
        town.wrong(
            entry.line, f"contact {entry.key[0]} is new and belongs to nobody", "Add enterprise or area."
        )


def _references(town: Town, held: Held, kind: str, entry: Entry) -> None:
    for column, other in REFERENCES[kind].items():
        key = entry.fields.get(column)
        if key and key not in town.entries[other] and key not in held[other]:
            town.wrong(
                entry.line_of(column),
                f"{kind} {'/'.join(entry.key)} refers to {other} {'/'.join(key)}, which is not there",
                f"Add the {other} to the file, or correct its code.",
            )


def _above(town: Town, held: Held, entry: Entry) -> None:
    """An area lies below one of a higher level, so no circle can close."""
    above = entry.fields.get("parent") or held["area"].get(entry.key, {}).get("parent") or ("",)
    mine, theirs = (_level(town, held, key) for key in (entry.key, above))
    if mine and theirs and mine.depth <= theirs.depth:
        town.wrong(
            entry.line_of("parent"),
            f"area {entry.key[0]} ({mine.value}) lies below area {above[0]} ({theirs.value})",
            "Correct the level or the parent.",
        )


def _level(town: Town, held: Held, key: tuple[str, ...] | None) -> AreaLevel | None:
    if not key:
        return None
    said = town.entries["area"][key].fields if key in town.entries["area"] else {}
    level = said.get("level") or held["area"].get(key, {}).get("level")
    return AreaLevel(level) if level else None


def _series(town: Town, entry: Entry, fields: Mapping[str, Any]) -> None:
    """A signal outside the catalogue brings its words; a range holds something; limits can fire, in order."""
    known = signals.find(entry.key[-1])
    what = f"series {'/'.join(entry.key)}"
    if known is None and not (fields.get("name_zh") and "unit" in fields):
        town.wrong(
            entry.line,
            f"{what}: signal {entry.key[-1]} is not in registry/signals.toml",
            'Correct it, or give name and unit (unit = "" when there is none).',
        )
    if known is not None and known.fact:
        town.wrong(
            entry.line, f"{what}: {known.name} is a fact, no device sends it", "Enter it under /admin/."
        )
    low, high = fields.get("physical_low"), fields.get("physical_high")
    low = low if low is not None else known.low if known else -math.inf
    high = high if high is not None else known.high if known else math.inf
    if low >= high:
        town.wrong(
            entry.line, f"{what}: the physical range {low:g}..{high:g} is empty", "Correct its bounds."
        )
    limits: tuple[LimitRow, ...] = fields.get("limits", ())
    for limit in limits:
        if not low <= limit.limit <= high:
            town.wrong(
                _line_of(entry, limit),
                f"{what}: limit {limit.limit:g} is outside the physical range {low:g}..{high:g}",
                "It would never fire: such readings are rejected. Correct the limit or the range.",
            )
    for side in Side:
        _in_order(town, entry, what, [limit for limit in limits if limit.side == side])


def _in_order(town: Town, entry: Entry, what: str, limits: list[LimitRow]) -> None:
    """A higher level lies at or beyond a lower one; one level has one limit on a side."""
    for lower, higher in pairwise(sorted(limits, key=lambda limit: limit.level)):
        words = Level(lower.level).en, Level(higher.level).en
        line = _line_of(entry, higher)
        sign = 1 if higher.side == Side.HIGH else -1
        if lower.level == higher.level:
            town.wrong(line, f"{what}: two {words[0]} limits on one side", "Keep one.")
        elif sign * higher.limit < sign * lower.limit:
            town.wrong(
                line,
                f"{what}: {words[1]} ({higher.limit:g}) is reached before {words[0]} ({lower.limit:g})",
                "Exchange them.",
            )


def _line_of(entry: Entry, limit: LimitRow) -> int:
    return entry.lines.get(line_name(limit), entry.line_of("limits"))
