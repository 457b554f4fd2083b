"""A town in CSV, one row per series (docs/registry.md), into entries."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.levels import Level
from registry.importer.fields import AREA, DEVICE, ENTERPRISE, GATEWAY, LIMIT, SERIES, Field, nearest
from registry.importer.town import Entry, Key, LimitRow, Town
from registry.words import AreaLevel

_KEYS = ("area", "enterprise", "gateway", "device", "signal")
_LIMITS = {
    f"{level.en}_{side}": (level, side, LIMIT[side])
    for side in ("high", "low")
    for level in sorted(Level, reverse=True)
}
_DELAYS = ("deadband", "on_delay_s", "off_delay_s")
# column of the file -> (kind, how it is read); the plain names belong to the series, as in TOML.
_COLUMNS: Mapping[str, tuple[str, Field]] = {
    **{name: ("series", SERIES[name]) for name in SERIES if name not in ("signal", "active")},
    **{name: ("device", DEVICE[name]) for name in ("place", "profile", "model")},
    **{f"device_{name}": ("device", DEVICE[name]) for name in ("name", "name_en")},
    **{name: ("gateway", GATEWAY[name]) for name in ("zone", "lenient", "messages_per_s", "shared_topics")},
    **{
        name: ("enterprise", ENTERPRISE[name])
        for name in ENTERPRISE
        if name not in ("code", "name", "name_en", "area", "active")
    },
    **{f"enterprise_{name}": ("enterprise", ENTERPRISE[name]) for name in ("name", "name_en")},
}
_KNOWN = (*_KEYS, *_COLUMNS, *_LIMITS, *_DELAYS)


def read_csv(text: str, file: str) -> Town:
    """Return the entries of a CSV text; what is wrong with it is in `errors`."""
    town = Town(file)
    head = text.splitlines()[0] if text.strip() else ""
    rows = csv.reader(text.splitlines(keepends=True), delimiter=";" if ";" in head else ",")
    names = [name.strip() for name in next(rows, [])]
    for name in _KEYS:
        if name not in names:
            town.wrong(1, f"no column {name}", f"The first row names the columns; add {name}.")
    for name in names:
        if name not in _KNOWN:
            town.wrong(1, f"unknown column {name!r}", nearest(name, _KNOWN))
    if not town.errors:
        for line, cells in _lines(rows):
            _Row(town, line, {n: c.strip() for n, c in zip(names, cells, strict=False) if c.strip()}).read()
    return town


def _lines(rows: Any) -> Iterator[tuple[int, list[str]]]:
    """Yield rows with the line on which each ends; empty ones are skipped."""
    for cells in rows:
        if any(cell.strip() for cell in cells):
            yield rows.line_num, cells


@dataclass(frozen=True, slots=True)
class _Row:
    town: Town
    line: int
    cells: Mapping[str, str]

    def read(self) -> None:
        """Add what one row says to the entries."""
        missing = [name for name in _KEYS if name not in self.cells]
        for name in missing:
            self.town.wrong(self.line, f"column {name} is empty", "Every row needs it.")
        if missing:
            return
        area = self.area(self.cells["area"])
        enterprise = self.code("enterprise", ENTERPRISE["code"])
        gateway = self.code("gateway", GATEWAY["code"])
        device = (*gateway, *self.code("device", DEVICE["code"]))
        signal = self.code("signal", SERIES["signal"])
        if area and enterprise and gateway and len(device) == 2 and signal:
            said = self.columns()
            self.say("enterprise", enterprise, {"area": area, **said["enterprise"]})
            self.say("gateway", gateway, {"enterprise": enterprise, **said["gateway"]})
            self.say("device", device, {"gateway": gateway, **said["device"]})
            self.add_series((*device, *signal), {"device": device, **said["series"], **self.limits()})

    def code(self, column: str, field: Field) -> tuple[str, ...]:
        value = self.value(column, field, self.cells[column])
        return () if value is None else (value,)

    def value(self, column: str, field: Field, cell: str) -> Any:
        """Return the value of a cell; None when it is wrong."""
        try:
            return field.read(field.cell(cell))
        except (ValueError, TypeError, OverflowError):
            remedy = nearest(cell, field.words) if field.words else "Correct the cell."
            self.town.wrong(self.line, f"{column} = {cell!r}, expected {field.expected}", remedy)
            return None

    def columns(self) -> dict[str, dict[str, Any]]:
        """Return kind -> column -> value of all attributes in the row."""
        said: dict[str, dict[str, Any]] = {"enterprise": {}, "gateway": {}, "device": {}, "series": {}}
        for name, (kind, field) in _COLUMNS.items():
            if name in self.cells and (value := self.value(name, field, self.cells[name])) is not None:
                said[kind][field.column] = value
        return said

    def limits(self) -> dict[str, Any]:
        """Return the limits of the row; nothing when it says none."""
        delays = {
            name: self.value(name, LIMIT[name], self.cells[name]) or 0.0 if name in self.cells else 0.0
            for name in _DELAYS
        }
        rows = [
            LimitRow(side, int(level), limit, **delays)
            for name, (level, side, field) in _LIMITS.items()
            if name in self.cells and (limit := self.value(name, field, self.cells[name])) is not None
        ]
        return {"limits": tuple(sorted(rows))} if rows else {}

    def say(self, kind: str, key: Key, fields: Mapping[str, Any]) -> None:
        """Add to an entry; two rows that contradict each other are an error."""
        entry = self.town.entries[kind].setdefault(key, Entry(key, {}, self.line))
        for column, value in fields.items():
            if entry.fields.setdefault(column, value) != value:
                self.town.wrong(
                    self.line,
                    f"{kind} {'/'.join(key)} has another {column} in line {entry.line_of(column)}",
                    "Say it once, or the same.",
                )
            entry.lines.setdefault(column, self.line)

    def add_series(self, key: Key, fields: dict[str, Any]) -> None:
        known = self.town.entries["series"].setdefault(key, Entry(key, fields, self.line))
        if known.fields is not fields:
            self.town.wrong(
                self.line, f"series {'/'.join(key)} is there already, in line {known.line}", "Remove one."
            )

    def area(self, path: str) -> Key:
        """Read `CODE NAME/CODE NAME/…` or a code alone; return the key of the last."""
        parent: Key = ()
        parts = path.split("/")
        for level, part in zip(AreaLevel, parts, strict=False):
            if not part.strip():
                continue
            code, _space, name = part.strip().partition(" ")
            key = (self.value("area", AREA["code"], code) or "",)
            if name:
                above = {"parent": parent} if parent else {}
                self.say("area", key, {"name": name.strip(), "level": level.value, **above})
            parent = key
        if len(parts) > len(AreaLevel):
            self.town.wrong(self.line, f"area {path!r} has {len(parts)} levels", "There are five at most.")
        return parent
