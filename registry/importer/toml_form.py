"""A town in TOML (docs/registry.md) into entries."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.importer.fields import (
    AREA,
    CONTACT,
    DEVICE,
    ENTERPRISE,
    GATEWAY,
    LIMIT,
    SERIES,
    Fields,
    nearest,
)
from registry.importer.lines import Path, locate
from registry.importer.town import Entry, Key, LimitRow, Town, line_name
from registry.parameters import NAME as PARAMETER

_CHANNEL = re.compile(r"[a-z][a-z0-9_]{0,31}")
_TABLES = ("area", "enterprise", "contact", "gateway", "template", "device")


def read_toml(text: str, file: str) -> Town:
    """Return the entries of a TOML text; what is wrong with it is in `errors`."""
    town = Town(file)
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"at line (\d+)", str(error))
        line = int(where[1]) if where else text.count("\n") + 1
        town.wrong(line, f"not TOML: {error}", "Correct the line, or the one before it.")
        return town
    _Reader(town, tree, locate(text)).read()
    return town


@dataclass(frozen=True, slots=True)
class _Reader:
    town: Town
    tree: Mapping[str, Any]
    lines: Mapping[Path, int]

    def read(self) -> None:
        for name in self.tree.keys() - set(_TABLES):
            self.town.wrong(self.lines[name,], f"unknown table {name!r}", nearest(name, _TABLES))
        for kind, fields, extra in (
            ("area", AREA, ()),
            ("enterprise", ENTERPRISE, ()),
            ("contact", CONTACT, ("addresses",)),
            ("gateway", GATEWAY, ()),
        ):
            for path, table in self.tables((kind,), self.tree.get(kind, [])):
                self.thing(kind, path, table, fields, extra)
        templates = self.templates()
        for path, table in self.tables(("device",), self.tree.get("device", [])):
            self.device(path, table, templates)

    def tables(self, path: Path, value: object) -> list[tuple[Path, Mapping[str, Any]]]:
        """Return an array of tables with the path of each."""
        if isinstance(value, list) and all(isinstance(item, dict) for item in value):
            return [((*path, index), item) for index, item in enumerate(value)]
        self.town.wrong(
            self.lines[path], f"{path[-1]} is no list of tables", f"Write [[{path[-1]}]] or a list of {{…}}."
        )
        return []

    def thing(
        self, kind: str, path: Path, table: Mapping[str, Any], fields: Fields, extra: tuple[str, ...]
    ) -> Entry | None:
        """Read one table into an entry; None when it has no usable code."""
        values, lines = self.values(path, table, fields, extra)
        gateway = values.pop("gateway", ("",)) if kind == "device" else ()
        key: Key = (*gateway, values.pop("code", ""))
        missing = [name for name, part in zip(("code", "gateway"), reversed(key), strict=False) if not part]
        for name in missing:
            if name not in table:
                self.town.wrong(self.lines[path], f"a {kind} without {name}", f'Add {name} = "…".')
        if missing:
            return None
        if kind == "device":
            values["gateway"] = gateway
        if kind == "contact":
            self.owner(path, table, values)
            if "addresses" in table:
                values["addresses"] = self.addresses((*path, "addresses"), table["addresses"])
        return self.add(kind, Entry(key, values, self.lines[path], lines))

    def add(self, kind: str, entry: Entry) -> Entry:
        """Keep an entry; the second of one key is an error."""
        known = self.town.entries[kind].setdefault(entry.key, entry)
        if known is not entry:
            self.town.wrong(
                entry.line,
                f"{kind} {'/'.join(entry.key)} is there already, in line {known.line}",
                "Remove one, or change its code.",
            )
        return known

    def values(
        self, path: Path, table: Mapping[str, Any], fields: Fields, extra: tuple[str, ...]
    ) -> tuple[dict[str, Any], dict[str, int]]:
        """Return column -> value and column -> line of all known keys."""
        values, lines = {}, {}
        for name, value in table.items():
            line = self.lines[*path, name]
            field = fields.get(name)
            if field is None:
                if name not in extra:
                    self.town.wrong(line, f"unknown key {name!r}", nearest(name, (*fields, *extra)))
                continue
            lines[field.column] = line
            try:
                values[field.column] = field.read(value)
            except (ValueError, TypeError, AttributeError, OverflowError):
                remedy = nearest(str(value), field.words) if field.words else "Correct the value."
                self.town.wrong(line, f"{name} = {value!r}, expected {field.expected}", remedy)
        return values, lines

    def owner(self, path: Path, table: Mapping[str, Any], values: dict[str, Any]) -> None:
        """A contact belongs to an enterprise or to an area; naming one takes the other away."""
        if "enterprise" in table and "area" in table:
            self.town.wrong(
                self.lines[*path, "area"],
                "a contact of both an enterprise and an area",
                "Keep one of the two.",
            )
        elif "enterprise" in values:
            values["area"] = None
        elif "area" in values:
            values["enterprise"] = None

    def addresses(self, path: Path, value: object) -> tuple[tuple[str, str], ...]:
        """Read addresses = { channel = "address" } in the order of the file."""
        if not isinstance(value, dict):
            self.town.wrong(self.lines[path], "addresses is no table", 'Write addresses = { log = "-" }.')
            return ()
        kept = []
        for channel, address in value.items():
            good = isinstance(address, str) and len(address) <= 500 and _CHANNEL.fullmatch(channel)
            if not good:
                self.town.wrong(
                    self.lines[*path, channel],
                    f"{channel} = {address!r}, expected a channel and a text of at most 500 characters",
                    'Write for example webhook = "https://…".',
                )
            kept.append((channel, str(address)))
        return tuple(kept)

    def parameters(self, path: Path, value: object) -> tuple[tuple[str, float], ...]:
        """Read parameters = { "D-01.upper" = 65 }, ordered by name."""
        if not isinstance(value, dict):
            self.town.wrong(
                self.lines[path], "parameters is no table", 'Write parameters = { "D-01.upper" = 65 }.'
            )
            return ()
        kept = []
        for name, given in value.items():
            number = isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given)
            if number and PARAMETER.fullmatch(name):
                kept.append((name, float(given)))
            else:
                self.town.wrong(
                    self.lines[*path, name],
                    f"{name} = {given!r}, expected a rule's parameter and a number",
                    'Write it as "D-01.upper" = 65, in quotes.',
                )
        return tuple(sorted(kept))

    def templates(self) -> dict[str, dict[str, Entry]]:
        """Return each template's series by signal, by the template's name."""
        found: dict[str, dict[str, Entry]] = {}
        for path, table in self.tables(("template",), self.tree.get("template", [])):
            for key in table.keys() - {"name", "series"}:
                self.town.wrong(
                    self.lines[*path, key], f"unknown key {key!r}", nearest(key, ("name", "series"))
                )
            name = table.get("name")
            if not isinstance(name, str) or name in found:
                self.town.wrong(
                    self.lines[path], "a template without a name of its own", 'Add name = "…", used once.'
                )
            else:
                found[name] = self.series((*path, "series"), table.get("series", []))
        return found

    def device(
        self, path: Path, table: Mapping[str, Any], templates: Mapping[str, Mapping[str, Entry]]
    ) -> None:
        """Read a device and its series; the device's own replace those of its template."""
        device = self.thing("device", path, table, DEVICE, ("series", "template", "parameters"))
        own = self.series((*path, "series"), table.get("series", []))
        wanted = table.get("template")
        if wanted is not None and wanted not in templates:
            remedy = (
                nearest(str(wanted), tuple(templates)) if templates else "Add a [[template]] of that name."
            )
            self.town.wrong(self.lines[*path, "template"], f"no template {wanted!r}", remedy)
        if device is None:
            return
        if "parameters" in table:
            device.fields["parameters"] = self.parameters((*path, "parameters"), table["parameters"])
        for signal, one in {**templates.get(str(wanted), {}), **own}.items():
            fields = one.fields | {"device": device.key}
            self.add("series", Entry((*device.key, signal), fields, one.line, one.lines))

    def series(self, path: Path, value: object) -> dict[str, Entry]:
        """Read a list of series by signal, not yet of any device; a signal that comes twice is an error."""
        found: dict[str, Entry] = {}
        for one, table in self.tables(path, value):
            values, lines = self.values(one, table, SERIES, ("limits",))
            signal = values.pop("signal", None)
            line = self.lines[one]
            if "signal" not in table:
                self.town.wrong(line, "a series without signal", 'Add signal = "…".')
            if "limits" in table:
                lines["limits"] = self.lines[*one, "limits"]
                values["limits"] = self.limits((*one, "limits"), table["limits"], lines)
            if signal in found:
                self.town.wrong(
                    line, f"signal {signal} is there already", "Remove one, or number them: _1, _2."
                )
            elif signal is not None:
                found[signal] = Entry((signal,), values, line, lines)
        return found

    def limits(self, path: Path, value: object, lines: dict[str, int]) -> tuple[LimitRow, ...]:
        """Read a list of limits, in the order of (side, level); `lines` gets the line of each."""
        rows = []
        for one, table in self.tables(path, value):
            values, _lines = self.values(one, table, LIMIT, ())
            sides = [side for side in ("high", "low") if side in table]
            if len(sides) != 1 or "level" not in table:
                self.town.wrong(
                    self.lines[one],
                    "a limit needs a level and one of high, low",
                    'Write { level = "orange", high = 60 }.',
                )
            elif "level" in values and sides[0] in values:
                row = LimitRow(
                    side=sides[0],
                    level=values["level"],
                    limit=values[sides[0]],
                    deadband=values.get("deadband", 0.0),
                    on_delay_s=values.get("on_delay_s", 0.0),
                    off_delay_s=values.get("off_delay_s", 0.0),
                )
                rows.append(row)
                lines[line_name(row)] = self.lines[one]
        return tuple(sorted(rows))
