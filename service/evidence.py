"""What an officer needs to believe an alert: the readings, what they were held against, the rule as it was then."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from core.events import SubjectKind
from core.levels import Level
from core.time import DAY, MINUTE, MS, to_datetime
from detectors.rulebook import ANY, RuleText
from registry.catalog import Catalog, Device
from service.evidence_seen import limits, seen
from storage import evidence
from storage.evidence import Due

_SPAN, _LEAST, _OLDEST = 10 * MINUTE, 60, DAY


def gather(
    connection: psycopg.Connection, catalog: Catalog, rules: Sequence[RuleText], *, since: int, now: int
) -> int:
    """Gather what is missing since an instant; return from when on to look the next time, ns."""
    found = evidence.due(connection, since)
    by_code = {rule.code: rule for rule in rules}
    devices = {device.id: device for device in catalog.devices.values()}
    for one in found:
        document = document_of(connection, one, catalog, by_code.get(one.rule), devices)
        evidence.write(connection, one.alert, one.seq, document, now=now)
    # A transition becomes visible a little after its `now`; one that is found again costs a look.
    return max(since, found[-1].now if found else now - 5 * MINUTE)


def document_of(
    connection: psycopg.Connection,
    one: Due,
    catalog: Catalog,
    rule: RuleText | None,
    devices: Mapping[int, Device],
) -> dict[str, Any]:
    """Return the evidence of one transition, for JSON: no NaN, times in ISO 8601 and of readings in ms."""
    device = _device(one, catalog, devices)
    series = [_window(connection, key, one.t, catalog) for key in _series(one, rule, device)]
    return {
        "at": to_datetime(one.t).isoformat(),
        "since": to_datetime(one.since).isoformat() if one.since else None,
        "value": _number(one.value),
        "limit": _number(one.limit_value),
        "unit": one.unit,
        "rule": {"code": one.rule, "version": one.rule_version, **_said(rule, one, device, catalog)},
        "before": {"state": one.old, "level": Level(one.level_before).en if one.level_before else None},
        "after": {"state": one.new, "level": Level(one.level).en, "cause": one.cause},
        "series": series,
        "seen": seen(connection, one, rule, device, catalog, begin=_begin(series, one.t))
        if rule and device
        else [],
    }


def _begin(series: Sequence[Mapping[str, Any]], t: int) -> int:
    """Return since when readings are shown, ns."""
    return min((one["t_ms"][0] * MS for one in series if one["t_ms"]), default=t - _SPAN)


def _device(one: Due, catalog: Catalog, devices: Mapping[int, Device]) -> Device | None:
    if one.subject_kind == SubjectKind.DEVICE:
        return devices.get(one.subject)
    if one.subject_kind == SubjectKind.SERIES and one.subject < catalog.n_series:
        return devices.get(int(catalog.device[one.subject]))
    return None


def _series(one: Due, rule: RuleText | None, device: Device | None) -> list[int]:
    """Return the series that decided, or, of a condition, those of the device that it reads."""
    if one.subject_kind == SubjectKind.SERIES:
        return [one.subject]
    if rule is None or device is None:
        return [one.series] if one.series else []
    known = {**device.series, **device.facts}
    if rule.signal == ANY:
        return sorted(device.series.values())
    names = re.compile("|".join(rf"{re.escape(signal)}(_[1-9]\d?)?" for signal in rule.signals))
    return [key for name, key in sorted(known.items()) if names.fullmatch(name)]


def _said(rule: RuleText | None, one: Due, device: Device | None, catalog: Catalog) -> dict[str, Any]:
    """Return what the rule says, with the numbers of this device; of a limit in the registry, its steps."""
    if rule is None:
        return {"limits": _registry_limits(one, catalog)} if one.rule == "LIMIT" else {}
    own = catalog.parameters.get(device.id, {}) if device else {}
    numbers = {name: own.get(f"{rule.code}.{name}", value) for name, value in rule.numbers.items()}
    return {
        "condition": rule.when.text if rule.when else None,
        "signal": rule.signal,
        "method": None if rule.when else rule.method,
        "limits": list(limits(rule, device, catalog)),
        "numbers": {name: _number(value) for name, value in numbers.items()},
        "overridden": sorted(name for name in numbers if f"{rule.code}.{name}" in own),
        "source": rule.source,
        "verified": rule.verified,
    }


def _registry_limits(one: Due, catalog: Catalog) -> list[dict[str, Any]]:
    own = catalog.limits
    mine = [n for n, key in enumerate(own.series.tolist()) if key == one.subject]
    return [
        {"level": Level(int(own.level[n])).en, "side": "high" if own.high[n] else "low",
         "limit": float(own.limit[n]), "deadband": float(own.deadband[n]),
         "on_delay_s": int(own.on_delay[n]) / 1e9, "off_delay_s": int(own.off_delay[n]) / 1e9}
        for n in mine
    ]  # fmt: skip


def _window(connection: psycopg.Connection, key: int, t: int, catalog: Catalog) -> dict[str, Any]:
    rows = evidence.window(connection, key, t, span=_SPAN, least=_LEAST, oldest=_OLDEST)
    subject = catalog.subjects.get((SubjectKind.SERIES, key))
    return {
        "series": key,
        "signal": catalog.signal[key] if key < catalog.n_series else "",
        "name": subject.name if subject else "",
        "unit": subject.unit if subject else "",
        "t_ms": [row[0] for row in rows],
        "value": [_number(row[1]) for row in rows],
        "quality": [row[2] for row in rows],
    }


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
