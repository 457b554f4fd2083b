"""The registry as a town file: importing it again changes nothing."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from core.levels import Level
from registry import signals
from registry.importer.fields import AREA, CONTACT, DEVICE, ENTERPRISE, GATEWAY, SERIES, Fields
from registry.importer.town import Held, Key, LimitRow

_SILENT: Mapping[str, Any] = {
    "dust_kind": "none",
    "dust_workers": 0,
    "zone": "Asia/Shanghai",
    "lenient": False,
    "messages_per_s": 0,
    "shared_topics": False,
    "mandatory": False,
    "active": True,
}


def export_toml(held: Held, *, addresses: bool = False) -> str:
    """Return the whole registry in TOML.  Addresses may hold keys of robots: only when asked for."""
    return "\n".join(_blocks(held, addresses=addresses))


def _blocks(held: Held, *, addresses: bool) -> Iterator[str]:
    areas = sorted(held["area"].items(), key=lambda item: (len(item[0][0]), item[0]))
    for kind, fields, rows in (
        ("area", AREA, areas),
        ("enterprise", ENTERPRISE, sorted(held["enterprise"].items())),
    ):
        for key, row in rows:
            yield _block(kind, _said(fields, {**row, "code": key[0]}))
    for key, row in sorted(held["contact"].items()):
        ways = [f"addresses = {_inline(row['addresses'])}"] if addresses and row["addresses"] else []
        yield _block("contact", [*_said(CONTACT, {**row, "code": key[0]}), *ways])
    for key, row in sorted(held["gateway"].items()):
        yield _block("gateway", _said(GATEWAY, {**row, "code": key[0]}))
    behind: dict[Key, list[tuple[Key, Mapping[str, Any]]]] = defaultdict(list)
    for key, row in held["series"].items():
        behind[key[:2]].append((key, row))
    for key, row in sorted(held["device"].items()):
        own = [f"parameters = {_parameters(row['parameters'])}"] if row.get("parameters") else []
        yield _block("device", [*_said(DEVICE, {**row, "code": key[1]}), *own, *_series(sorted(behind[key]))])


def _block(kind: str, lines: Iterable[str]) -> str:
    return "\n".join([f"[[{kind}]]", *lines, ""])


def _said(fields: Fields, row: Mapping[str, Any], silent: Mapping[str, Any] = _SILENT) -> list[str]:
    """Return `key = value` of everything that is not what silence would mean."""
    said = []
    for name, field in fields.items():
        value = row[field.column]
        if value is None or value == silent.get(field.column, ""):
            continue
        said.append(f"{name} = {_colour(value) if name == 'grade' else _value(value)}")
    return said


def _series(rows: list[tuple[Key, Mapping[str, Any]]]) -> list[str]:
    if not rows:
        return []
    lines = []
    for key, row in rows:
        known = signals.find(key[2])
        silent = dict(_SILENT)
        if known:
            silent |= {
                "name_zh": known.zh,
                "name_en": known.en,
                "unit": known.unit,
                "period_s": known.period_s,
            }
        said = _said(SERIES, {**row, "signal": key[2]}, silent)
        if not known and not row["unit"]:
            said.append('unit = ""')
        if row["limits"]:
            said.append(f"limits = [{', '.join(_limit(limit) for limit in row['limits'])}]")
        lines.append(f"  {{ {', '.join(said)} }},")
    return ["series = [", *lines, "]"]


def _limit(row: LimitRow) -> str:
    said = [f"level = {_colour(row.level)}", f"{row.side} = {_value(row.limit)}"]
    said += [
        f"{name} = {_value(value)}" for name, value in zip(row._fields[3:], row[3:], strict=True) if value
    ]
    return f"{{ {', '.join(said)} }}"


def _inline(pairs: Iterable[tuple[str, str]]) -> str:
    return f"{{ {', '.join(f'{name} = {_value(value)}' for name, value in pairs)} }}"


def _parameters(pairs: Iterable[tuple[str, float]]) -> str:
    return f"{{ {', '.join(f'{_value(name)} = {_value(value)}' for name, value in pairs)} }}"


def _colour(level: int) -> str:
    return f'"{Level(level).en}"'


def _value(value: Any) -> str:
    """Return a value in TOML; a reference is its code."""
    if isinstance(value, tuple):
        value = value[-1]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)
