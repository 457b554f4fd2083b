"""What a rule's methods made of the readings: the curve that was held against the limit, not only the readings.

Computed again from the stored readings of the last day, so a method that remembers longer (`seasonal`, `thermal`, the
level that `production` learned) begins anew there. Baselines, the score and the chart of a device are not computed
again: they rest on all that was ever seen, and the event's value tells what came of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import psycopg

from core.batch import Batch
from core.time import DAY, MS
from detectors.expression import compile_expression
from detectors.methods import OPERATORS
from detectors.rulebook import RuleText, base_of
from detectors.trace import trace
from detectors.watched import Watched, limit_of, number, numbered
from registry import signals
from registry.catalog import Catalog, Device
from storage import evidence
from storage.evidence import Due

# So many readings of a day are looked at; more come from series that are read each second.
_MOST = 20_000
_METHODS = frozenset(OPERATORS)
_NOBODY = Watched(0, "", {})
Call = tuple[str, str, tuple[float | str, ...]]


def seen(
    connection: psycopg.Connection, one: Due, rule: RuleText, device: Device, catalog: Catalog, *, begin: int
) -> list[dict[str, Any]]:
    """Return the curve of every method that the rule takes, from `begin` (ns) to the transition, for JSON."""
    watched = Watched(
        device.id,
        device.profile,
        {**device.series, **device.facts},
        overrides=catalog.parameters.get(device.id, {}),
    )
    found = []
    for name, (method, signal, arguments) in _calls(rule, watched, one, catalog).items():
        numbers = (number(rule, watched, argument) for argument in arguments)
        params = dict(zip(OPERATORS[method].params, numbers, strict=False))
        t, value = trace(method, params, _readings(connection, watched.series[signal], one.t))
        shown = (t >= begin) & np.isfinite(value)
        found.append({
            "name": name,
            "signal": signal,
            "unit": OPERATORS[method].unit.replace("{x}", _unit(signal)),
            "params": {n: v for n, v in params.items() if np.isfinite(v)},
            "t_ms": (t[shown] // MS).tolist(),
            "value": value[shown].tolist(),
        })  # fmt: skip
    return found


def _calls(rule: RuleText, device: Watched, one: Due, catalog: Catalog) -> Mapping[str, Call]:
    """Return the methods of a rule by what they are called in it, of signals that the device has."""
    if rule.when is None:
        if rule.method not in OPERATORS or rule.method == "value":
            return {}
        signal = catalog.signal[one.subject]
        given = {**OPERATORS[rule.method].params, **rule.with_}
        return {f"{rule.method}({signal})": (rule.method, signal, tuple(given.values()))}
    sets = {signal: numbered(device, signal) or (signal,) for _, _, signal in rule.when.sets}
    calls = compile_expression(rule.when.spread(sets), _METHODS).calls
    return {name: call for name, call in calls.items() if call[1] in device.series}


def _readings(connection: psycopg.Connection, key: int, t: int) -> Batch:
    rows = evidence.window(connection, key, t, span=DAY, least=_MOST, oldest=DAY, most=_MOST)
    return Batch.of(
        np.full(len(rows), key, np.int32),
        np.array([row[0] for row in rows], np.int64) * MS,
        np.array([row[1] for row in rows], np.float64),
        np.array([row[2] for row in rows], np.uint8),
    )


def _unit(signal: str) -> str:
    known = signals.find(base_of(signal))
    return known.unit if known else ""


def limits(rule: RuleText, device: Device | None, catalog: Catalog) -> Iterator[dict[str, Any]]:
    """Yield the levels of a rule with the numbers of a device, as those of the registry are told."""
    watched = (
        Watched(device.id, device.profile, {}, overrides=catalog.parameters.get(device.id, {}))
        if device
        else _NOBODY
    )
    for entry in rule.raises:
        limit = limit_of(rule, watched, entry)
        yield {
            "level": entry.level.en,
            "side": "high" if entry.high else "low",
            "limit": None if rule.when and entry.limit == 1.0 else limit,
            "deadband": number(rule, watched, entry.deadband),
            "on_delay_s": number(rule, watched, entry.on_delay_s),
            "off_delay_s": entry.off_delay_s,
        }
