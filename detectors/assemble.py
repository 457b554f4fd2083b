"""From a plan to pools and alarms: which series runs what, in which lane, and what of the old state goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.events import SubjectKind
from detectors.book import Limits
from detectors.condition import Condition
from detectors.lookup import find
from detectors.methods import OPERATORS
from detectors.plan import Derived, Plan, Thresholds
from detectors.pool import N_SHARED, Pool, Slot
from detectors.rows import Floats

_LEVEL = ("level", "high", "limit", "deadband", "on_delay", "off_delay", "max_gap")


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """Q statistics that a plan wants: method and series of each, and how many of its kind the series has before it."""

    method: NDArray[np.int32]
    series: NDArray[np.int32]
    rank: NDArray[np.int32]

    @classmethod
    def of(cls, tables: Sequence[Derived]) -> Wanted:
        names = list(OPERATORS)
        method = np.concatenate([np.full(len(t.series), names.index(t.method), np.int32) for t in tables])
        series = np.concatenate([t.series for t in tables])
        order = np.lexsort((method, series))
        changes = np.ones(len(order), bool)
        changes[1:] = (np.diff(series[order]) != 0) | (np.diff(method[order]) != 0)
        start = np.maximum.accumulate(np.where(changes, np.arange(len(order)), 0))
        rank = np.empty(len(order), np.int32)
        rank[order] = np.arange(len(order)) - start
        return cls(method, series, rank)


def tables_of(plan: Plan) -> list[Derived]:
    """Return everything that needs a lane, limits of plain readings included; raises KeyError for no such method."""
    watched, channel = np.unique(plan.thresholds.series, return_inverse=True)
    limits = Thresholds(
        **{**{n: getattr(plan.thresholds, n) for n in Thresholds.__slots__}, "series": channel}
    )
    tables = [Derived("value", watched.astype(np.int32), {}, limits), *plan.derived, *plan.inputs]
    for table in tables:
        unknown = set(table.params) - set(OPERATORS[table.method].params)
        if unknown:
            raise KeyError(f"{table.method} has no parameter {sorted(unknown)}")
    return tables


def build(tables: Sequence[Derived]) -> tuple[list[Pool], NDArray[np.int64]]:
    """Return pools with fresh lanes, and the channel of each statistic, table after table."""
    wanted = Wanted.of(tables)
    names = list(OPERATORS)
    code, bit = np.unique(wanted.rank * len(names) + wanted.method, return_inverse=True)
    if len(code) > 62:
        raise ValueError("more than 62 different statistics")
    series, of = np.unique(wanted.series, return_inverse=True)
    signature = np.zeros(len(series), np.int64)
    np.bitwise_or.at(signature, of, np.int64(1) << bit.astype(np.int64))
    pools: list[Pool] = []
    channel = np.zeros(len(of), np.int64)
    base = 0
    for mask in np.unique(signature).tolist():
        slots = [n for n in range(len(code)) if mask >> n & 1]
        lanes = series[signature == mask]
        here = [np.flatnonzero((signature[of] == mask) & (bit == n)) for n in slots]
        place = [np.searchsorted(lanes, wanted.series[at]) for at in here]
        made = [
            Slot(OPERATORS[names[code[n] % len(names)]], _params(tables, at, lane))
            for n, at, lane in zip(slots, here, place, strict=True)
        ]
        pool = Pool(made, lanes.astype(np.int32), base)
        base += pool.n_channels
        pools.append(pool)
        for slot, (at, lane) in enumerate(zip(here, place, strict=True)):
            channel[at] = pool.base + slot * len(pool) + lane
    return pools, channel


def _params(
    tables: Sequence[Derived], wanted: NDArray[np.intp], lane: NDArray[np.intp]
) -> dict[str, Floats | float]:
    """Return the parameters of statistics that share a slot: one number where all agree, else one per lane."""
    method = OPERATORS[_table_of(tables, int(wanted[0])).method]
    params: dict[str, Floats | float] = {}
    for name, default in method.params.items():
        every = np.concatenate([t.params.get(name, np.full(len(t.series), default)) for t in tables])[wanted]
        by_lane = np.empty(len(every))
        by_lane[lane] = every
        agree = (every == every[0]).all() or np.isnan(every).all()
        params[name] = float(every[0]) if agree else by_lane
    return params


def _table_of(tables: Sequence[Derived], row: int) -> Derived:
    for table in tables:
        if row < len(table.series):
            return table
        row -= len(table.series)
    raise IndexError(row)


def limits_of(tables: Sequence[Derived], channel: NDArray[np.int64]) -> Limits:
    """Return the limits of all tables, about the channels that were given out."""
    parts, first = [], 0
    for table in tables:
        rows, n = table.limits, len(table.limits)
        series = table.series[rows.series]
        parts.append(
            Limits(
                channel=channel[first + rows.series].astype(np.int32),
                rule=rows.rule,
                subject_kind=np.full(n, SubjectKind.SERIES, np.uint8),
                subject=series,
                **{name: getattr(rows, name) for name in _LEVEL},
            )
        )
        first += len(table.series)
    return Limits.concat(parts)


def conditions_of(plan: Plan, channel: NDArray[np.int64], base: int) -> tuple[list[Condition], Limits]:
    """Return the conditions, with channels from `base` on, and their limits."""
    n_inputs = sum(len(table.series) for table in plan.inputs)
    of_inputs = np.append(channel[len(channel) - n_inputs :], -1)
    conditions, parts = [], [Limits.none()]
    for made in plan.conditions:
        condition = Condition(
            made.expression,
            subject_kind=made.subject_kind,
            subject=made.subject,
            inputs={name: of_inputs[row] for name, row in made.inputs.items()},
            max_age=made.max_age,
            params=made.params,
            base=base,
        )
        rows, n = made.limits, len(made.limits)
        parts.append(
            Limits(
                channel=(base + rows.series).astype(np.int32),
                rule=rows.rule,
                subject_kind=np.full(n, made.subject_kind, np.uint8),
                subject=made.subject[rows.series],
                **{name: getattr(rows, name) for name in _LEVEL},
            )
        )
        base += len(condition)
        conditions.append(condition)
    return conditions, Limits.concat(parts)


def carry(old: Sequence[Pool], new: Sequence[Pool]) -> None:
    """Copy what lanes remember: readings by series, state by (series, method, parameters)."""
    for after in new:
        for before in old:
            at = find(after.series.astype(np.int64), before.series.astype(np.int64))
            here = np.flatnonzero(at >= 0)
            if len(here):
                after.matrix[here, :N_SHARED] = before.matrix[at[here], :N_SHARED]
                _carry_state(before, at[here], after, here)


def _carry_state(before: Pool, there: NDArray[np.intp], after: Pool, here: NDArray[np.intp]) -> None:
    for slot, mine in enumerate(after.slots):
        operator = mine.operator
        for other, theirs in enumerate(before.slots):
            if theirs.operator.name != operator.name:
                continue
            same = np.ones(len(here), bool)
            for name in operator.params:
                a, b = after.column(slot, name)[here], before.column(other, name)[there]
                same &= (a == b) | (np.isnan(a) & np.isnan(b))
            for name in operator.state.keys() - set(operator.cache):
                after.column(slot, name)[here[same]] = before.column(other, name)[there[same]]
            after.rings[slot][here[same]] = before.rings[other][there[same]]
