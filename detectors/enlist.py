"""Enlist: which device falls under which rule, as tables for a plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.events import Rule, SubjectKind
from core.time import seconds
from detectors.anomaly import Watched as Scored
from detectors.enlist_learning import charts_of, scored_of
from detectors.expression import Expression, compile_expression
from detectors.methods import LEARNING, OPERATORS
from detectors.pca import Devices
from detectors.plan import Conditions, Derived, Plan, Thresholds
from detectors.rulebook import Raise, RuleText, base_of
from detectors.watched import Watched, falls_under, limit_of, number, numbered

_MIN_GAP_S = 60.0
_METHODS = frozenset(OPERATORS)


@dataclass(frozen=True, slots=True, eq=False)
class Enlisted:
    """What rules and devices make: for the fields of `Plan` of the same names."""

    rules: tuple[Rule, ...]
    derived: tuple[Derived, ...]
    inputs: tuple[Derived, ...]
    conditions: tuple[Conditions, ...]
    scored: Scored
    devices: Devices


# (series, high) -> level and limit of each that the registry sets for a reading itself.
Own = Mapping[tuple[int, bool], Sequence[tuple[int, float]]]


def enlist(
    rules: Sequence[RuleText], devices: Iterable[Watched], *, first_row: int = 0, own: Own | None = None
) -> Enlisted:
    """Return the tables of these rules for these devices; the first rule has row `first_row` of the plan.

    Where the registry sets a limit of its own for a reading (`own`), it stands in the place of a rule's limit of the
    same reading, side and level, and of one of a lower level that would say the same no earlier: one cause, one alert.
    """
    of_profile: dict[str, list[Watched]] = {}
    for device in devices:
        of_profile.setdefault(device.profile, []).append(device)
    derived, inputs, conditions, learning = [], _Inputs(), [], []
    for row, rule in enumerate(rules, first_row):
        subjects = [d for profile in rule.of for d in of_profile.get(profile, ()) if falls_under(rule, d)]
        if rule.method in LEARNING:
            learning.append((row, rule, subjects))
        elif rule.when is None:
            derived += _single(rule, row, subjects, own or {})
        else:
            conditions += _several(rule, row, subjects, inputs)
    tables, at = inputs.tables()
    return Enlisted(
        rules=tuple(_said(rule) for rule in rules),
        derived=tuple(derived),
        inputs=tables,
        conditions=tuple(
            replace(c, inputs={name: at[n] for name, n in c.inputs.items()}) for c in conditions
        ),
        scored=scored_of(learning, rules, {series for series, _ in own or {}}),
        devices=charts_of(learning),
    )


def with_rules(plan: Plan, rules: Sequence[RuleText], devices: Iterable[Watched]) -> Plan:
    """Return a plan of limits and silences with these rules for these devices added."""
    made = enlist(rules, devices, first_row=len(plan.rules), own=_own(plan.thresholds))
    return replace(
        plan,
        rules=(*plan.rules, *made.rules),
        derived=(*plan.derived, *made.derived),
        inputs=(*plan.inputs, *made.inputs),
        conditions=(*plan.conditions, *made.conditions),
        scored=made.scored,
        devices=made.devices,
    )


def _own(limits: Thresholds) -> Own:
    own: dict[tuple[int, bool], list[tuple[int, float]]] = {}
    columns = (limits.series, limits.high, limits.level, limits.limit)
    for series, high, level, limit in zip(*(column.tolist() for column in columns), strict=True):
        own.setdefault((series, high), []).append((level, limit))
    return own


def _said(rule: RuleText) -> Rule:
    return Rule(
        code=rule.code,
        title_zh=rule.title_zh,
        title_en=rule.title_en,
        unit=rule.unit,
        advice_zh=rule.advice_zh,
        advice_en=rule.advice_en,
        source=rule.source if rule.verified else f"{rule.source}（未核实 unverified）",
        version=rule.version,
        data_quality=rule.quality,
    )


def _gap_s(device: Watched, signal: str) -> float:
    period = device.period_s.get(signal, 0.0)
    return max(3.0 * period, _MIN_GAP_S) if period > 0 else 0.0


def _age_s(rule: RuleText, device: Watched, signal: str) -> float:
    """Return for how long a sample stands for its signal, 0 = until the next one."""
    return 0.0 if signal in device.facts else rule.max_age_s or _gap_s(device, signal)


def _single(rule: RuleText, row: int, devices: Sequence[Watched], own: Own) -> list[Derived]:
    every = [(d, s, _left(rule, d, d.series[s], own)) for d in devices for s in numbered(d, rule.signal)]
    found = [(device, signal, entries) for device, signal, entries in every if entries]
    if not found:
        return []
    params = {
        name: np.array([number(rule, device, value) for device, _, _ in found])
        for name, value in rule.with_.items()
    }
    limits = [
        _limit(rule, device, entry, row=row, at=n, gap_s=_gap_s(device, signal))
        for n, (device, signal, entries) in enumerate(found)
        for entry in entries
    ]
    series = np.array([device.series[signal] for device, signal, _ in found], np.int32)
    return [Derived(rule.method, series, params, Thresholds.rows(limits))]


def _left(rule: RuleText, device: Watched, series: int, own: Own) -> list[Raise]:
    """Return the levels of a rule that no limit of the registry stands for."""
    if rule.method != "value":
        return list(rule.raises)
    return [
        entry
        for entry in rule.raises
        if not any(
            level == entry.level or (level > entry.level and _no_later(limit, rule, device, entry))
            for level, limit in own.get((series, entry.high), ())
        )
    ]


def _no_later(limit: float, rule: RuleText, device: Watched, entry: Raise) -> bool:
    its = limit_of(rule, device, entry)
    return limit <= its if entry.high else limit >= its


def _limit(
    rule: RuleText, device: Watched, entry: Raise, *, row: int, at: int, gap_s: float
) -> dict[str, Any]:
    return {
        "rule": row,
        "series": at,
        "level": int(entry.level),
        "high": entry.high,
        "limit": limit_of(rule, device, entry),
        "deadband": number(rule, device, entry.deadband),
        "on_delay": seconds(number(rule, device, entry.on_delay_s)),
        "off_delay": seconds(entry.off_delay_s),
        "max_gap": seconds(gap_s),
    }


class _Inputs:
    """Statistics that conditions read, each once."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, tuple[float, ...], int], int] = {}

    def row(self, method: str, series: int, arguments: tuple[float, ...]) -> int:
        """Return the number of a statistic, adding it if it is new."""
        return self._rows.setdefault((method, arguments, series), len(self._rows))

    def tables(self) -> tuple[tuple[Derived, ...], NDArray[np.int32]]:
        """Return a table for each method with its arguments, and the row of each number, last -1 for -1."""
        of: dict[tuple[str, tuple[float, ...]], list[tuple[int, int]]] = {}
        for (method, arguments, series), n in self._rows.items():
            of.setdefault((method, arguments), []).append((series, n))
        tables, row = [], np.full(len(self._rows) + 1, -1, np.int32)
        done = 0
        for (method, arguments), entries in of.items():
            names = list(OPERATORS[method].params)
            params = {name: np.full(len(entries), v) for name, v in zip(names, arguments, strict=False)}
            of_entries = np.array([s for s, _ in entries], np.int32)
            tables.append(Derived(method, of_entries, params, Thresholds.rows()))
            row[[n for _, n in entries]] = done + np.arange(len(entries))
            done += len(entries)
        return tuple(tables), row


def _several(rule: RuleText, row: int, devices: Sequence[Watched], inputs: _Inputs) -> list[Conditions]:
    """Return a table for each way to write the condition out: devices differ in how many are in a set."""
    assert rule.when is not None
    alike: dict[str, list[Watched]] = {}
    for device in devices:
        if _is_meant(rule, device):
            sets = {signal: numbered(device, signal) or (signal,) for _, _, signal in rule.when.sets}
            alike.setdefault(rule.when.spread(sets), []).append(device)
    return [
        _condition(rule, compile_expression(text, _METHODS), of, row=row, inputs=inputs)
        for text, of in alike.items()
    ]


def _is_meant(rule: RuleText, device: Watched) -> bool:
    """Return whether a device has any of the signals, and all of those with a number; the rest may be unknown."""
    needed = [signal for signal in rule.signals if base_of(signal) != signal]
    return all(s in device.series for s in needed) and any(numbered(device, s) for s in rule.signals)


def _condition(
    rule: RuleText, when: Expression, devices: Sequence[Watched], *, row: int, inputs: _Inputs
) -> Conditions:
    """Return the table of devices for which the condition is written out alike."""
    rows: dict[str, list[int]] = {}
    ages: dict[str, list[int]] = {}
    for name in when.names:
        if name in rule.parameters:
            continue
        method, signal, arguments = when.calls.get(name, ("value", name, ()))
        keys = [device.series.get(signal, -1) for device in devices]
        given = [tuple(number(rule, device, a) for a in arguments) for device in devices]
        rows[name] = [
            inputs.row(method, key, numbers) if key >= 0 else -1
            for key, numbers in zip(keys, given, strict=True)
        ]
        ages[name] = [seconds(_age_s(rule, device, signal)) for device in devices]
    limits = [
        _limit(rule, device, entry, row=row, at=n, gap_s=_longest(rule, device))
        for n, device in enumerate(devices)
        for entry in rule.raises
    ]
    return Conditions(
        expression=when.text,
        subject_kind=SubjectKind.DEVICE,
        subject=np.array([device.id for device in devices], np.int32),
        inputs={name: np.array(row, np.int32) for name, row in rows.items()},
        max_age={name: np.array(age, np.int64) for name, age in ages.items()},
        params={
            n: np.array([number(rule, d, n) for d in devices]) for n in rule.parameters if n in when.names
        },
        limits=Thresholds.rows(limits),
    )


def _longest(rule: RuleText, device: Watched) -> float:
    """Return the longest gap that is none, or 0 (no gap is too long) if all signals hold until their next sample."""
    return max(_age_s(rule, device, signal) for signal in rule.signals)
