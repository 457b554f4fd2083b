"""Multi-level threshold with deadband, on-delay and off-delay (ISA-18.2), over all series at once.

Of one level of the high side (the low side is its mirror), sample by sample in event time:

    evidence   on when x >= limit, off when x < limit - deadband, else as before; a gap > max_gap leaves none
    run        samples of the same evidence without such a gap; it begins at its first sample
    raise      at the first sample of an on-run that is on_delay or more after the beginning
    clear      at the first sample of an off-run that is off_delay or more after the beginning

So a gap restarts what is pending, and an active level stays active over it: unknown is no evidence (law 6).
The alarm of a (rule, series) is the highest active level. What was told live is remembered beside what is
present: at every live sample where they differ an event is said, so samples that arrived late in their life
(HISTORICAL) give findings, and what is left of them is said again at the first live sample (law 5).

Everything is a last-writer-wins scan, exact in integers and comparisons. Only series that are not at rest, or
that have a sample beyond their innermost limit, are looked at: two comparisons per reading for all others.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from core.batch import HISTORICAL, Batch
from core.events import Events, Kind, SubjectKind
from detectors.contract import State
from detectors.fill import fill, shift
from detectors.frame import Frame, Runs
from detectors.plan import Thresholds

_NONE, _ON, _OFF = 0, 1, 2  # evidence
_NEVER = np.iinfo(np.int64).max


@dataclass(slots=True, eq=False)
class Table:
    """G alarms ordered by (series, rule), each with K slots for levels; parameters and state.

    rule, series int32[G]
    Per slot, [K, G]
      level uint8 (0: the slot is empty) · sign float64 (+1 high, -1 low) · limit float64
      on_at, off_at float64 in sign × unit (NaN in empty slots) · on_delay, off_delay, max_gap int64 ns
      evidence uint8 · mark int64 beginning of its run, 0 without · active bool · since int64, 0 when not
    Per alarm, [G]
      last_t int64 last usable sample, 0 at rest
      told uint8 level told live, 0 none · told_since int64, told_limit float64 of that telling
    """

    rule: NDArray[np.int32]
    series: NDArray[np.int32]
    level: NDArray[np.uint8]
    sign: NDArray[np.float64]
    on_at: NDArray[np.float64]
    off_at: NDArray[np.float64]
    limit: NDArray[np.float64]
    on_delay: NDArray[np.int64]
    off_delay: NDArray[np.int64]
    max_gap: NDArray[np.int64]
    evidence: NDArray[np.uint8]
    mark: NDArray[np.int64]
    active: NDArray[np.bool_]
    since: NDArray[np.int64]
    last_t: NDArray[np.int64]
    told: NDArray[np.uint8]
    told_since: NDArray[np.int64]
    told_limit: NDArray[np.float64]

    @classmethod
    def of(cls, rows: Thresholds) -> Table:
        """Return the table of these limits, nothing raised; raises ValueError when two rows share a slot."""
        order = np.lexsort((~rows.high, rows.level, rows.rule, rows.series))
        series, rule = rows.series[order], rows.rule[order]
        key = np.stack([series, rule, rows.level[order].astype(np.int32), rows.high[order].astype(np.int32)])
        if len(order) and (key[:, 1:] == key[:, :-1]).all(axis=0).any():
            raise ValueError("two limits of one (rule, series, level, side)")
        first = np.r_[True, (key[:2, 1:] != key[:2, :-1]).any(axis=0)] if len(order) else np.empty(0, bool)
        group = np.cumsum(first) - 1
        slot = np.arange(len(order)) - np.flatnonzero(first)[group]
        shape = (int(slot.max(initial=-1)) + 1, int(first.sum()))

        def place(values: NDArray[Any], empty: float, dtype: type[np.generic]) -> NDArray[Any]:
            placed = np.full(shape, empty, dtype)
            placed[slot, group] = values[order]
            return placed

        sign = np.where(rows.high, 1.0, -1.0)
        never = np.where(rows.max_gap > 0, rows.max_gap, _NEVER)
        return cls(
            rule=rule[first],
            series=series[first],
            level=place(rows.level, 0, np.uint8),
            sign=place(sign, 1.0, np.float64),
            on_at=place(sign * rows.limit, np.nan, np.float64),
            off_at=place(sign * rows.limit - rows.deadband, np.nan, np.float64),
            limit=place(rows.limit, np.nan, np.float64),
            on_delay=place(rows.on_delay, 0, np.int64),
            off_delay=place(rows.off_delay, 0, np.int64),
            max_gap=place(never, _NEVER, np.int64),
            evidence=np.zeros(shape, np.uint8),
            mark=np.zeros(shape, np.int64),
            active=np.zeros(shape, bool),
            since=np.zeros(shape, np.int64),
            last_t=np.zeros(shape[1], np.int64),
            told=np.zeros(shape[1], np.uint8),
            told_since=np.zeros(shape[1], np.int64),
            told_limit=np.full(shape[1], np.nan),
        )

    @property
    def n_slots(self) -> int:
        return len(self.level)

    def at_rest(self) -> NDArray[np.bool_]:
        """Return which alarms have nothing present, pending or left to tell."""
        moving: NDArray[np.bool_] = (self.active | (self.evidence == _ON)).any(axis=0)
        return ~(moving | (self.told > 0))


@dataclass(slots=True, eq=False)
class _Cells:
    """C samples of the alarms that are looked at, alarm after alarm.

    alarm intp[A] rows of the table · count, first, last intp[A] their cells
    t, value, live [C] of the sample · before int64[C] event time of the sample before it, 0 if none
    level, limit, since [C] highest level active after the sample (0 none), its limit, when it began
    """

    alarm: NDArray[np.intp]
    count: NDArray[np.intp]
    first: NDArray[np.intp]
    last: NDArray[np.intp]
    t: NDArray[np.int64]
    value: NDArray[np.float64]
    live: NDArray[np.bool_]
    before: NDArray[np.int64]
    level: NDArray[np.uint8]
    limit: NDArray[np.float64]
    since: NDArray[np.int64]

    @classmethod
    def of(
        cls, runs: Runs, alarm: NDArray[np.intp], run: NDArray[np.intp], last_t: NDArray[np.int64]
    ) -> _Cells:
        rows = runs.rows_of(run)
        count = runs.count[run]
        last = np.cumsum(count) - 1
        first = last - count + 1
        t = runs.batch.t[rows]
        return cls(
            alarm=alarm,
            count=count,
            first=first,
            last=last,
            t=t,
            value=runs.batch.value[rows],
            live=(runs.batch.quality[rows] & HISTORICAL) == 0,
            before=shift(t, first, last_t[alarm]),
            level=np.zeros(len(t), np.uint8),
            limit=np.full(len(t), np.nan),
            since=np.zeros(len(t), np.int64),
        )


class Threshold:
    """All limits of all series; see the module's text for what it does.

    Silence means: nothing. A series without samples neither raises nor clears; staleness.py tells of it.
    """

    def __init__(self, rows: Thresholds | None = None) -> None:
        """Start with nothing raised; raises ValueError when two rows share a (rule, series, level, side)."""
        self._adopt(Table.of(rows if rows is not None else Thresholds.rows()))

    def step(self, batch: Batch, now: int) -> Events:
        """Return the edges in a batch."""
        return self.feed(Frame.of(batch), now)

    def feed(self, frame: Frame, now: int) -> Events:  # noqa: ARG002 - event time decides, the clock does not
        """Return the edges in a frame."""
        runs = frame.usable
        if not len(runs) or not len(self._table.rule):
            return Events.empty()
        run = self._noticed(runs)
        if not len(run):
            return Events.empty()
        alarm, run = self._alarms(runs.series[run], run)
        cells = _Cells.of(runs, alarm, run, self._table.last_t)
        was = self._standing(alarm)
        for slot in range(self._table.n_slots):
            self._advance(slot, cells)
        events = self._tell(cells, was)
        self._rest(cells)
        return events

    def snapshot(self) -> State:
        """Return copies of the table's columns."""
        return {column.name: getattr(self._table, column.name).copy() for column in fields(Table)}

    def restore(self, state: State) -> None:
        """Become the detector whose snapshot this is."""
        columns = {column.name: state[column.name].copy() for column in fields(Table)}
        self._adopt(Table(**cast("dict[str, Any]", columns)))

    def configure(self, rows: Thresholds, moved: NDArray[np.int32], now: int) -> Events:
        """Replace the limits; `moved[old rule row]` is the rule's new row, `-1 - row` if retired.

        Levels of an alarm that stays keep their state (a changed limit restarts what is pending); an alarm
        that was told and is no longer watched is said to be clear, so that it does not hang for ever.
        """
        old, new = self._table, Table.of(rows)
        row = moved[old.rule] if len(old.rule) else old.rule
        at = _find(_key(row, old.series), _key(new.rule, new.series))
        kept = np.flatnonzero(at >= 0)
        _carry(old, kept, new, at[kept])
        gone = np.flatnonzero((at < 0) & (old.told > 0))
        self._adopt(new)
        return _withdrawn(old, gone, np.where(row < 0, -1 - row, row)[gone], now)

    def _adopt(self, table: Table) -> None:
        """Take a table; derive the innermost limits of each series, and who is awake, for the fast path."""
        self._table = table
        n_series = int(table.series.max(initial=-1)) + 1
        self._start = np.searchsorted(table.series, np.arange(n_series + 1))
        self._high = np.full(n_series, np.inf)
        self._low = np.full(n_series, -np.inf)
        for slot in range(table.n_slots):
            used = table.level[slot] > 0
            high, low = used & (table.sign[slot] > 0), used & (table.sign[slot] < 0)
            np.minimum.at(self._high, table.series[high], table.limit[slot, high])
            np.maximum.at(self._low, table.series[low], table.limit[slot, low])
        # A series without limits must not be noticed even at infinity.
        bare = np.diff(self._start) == 0
        self._high[bare] = self._low[bare] = np.nan
        self._awake = np.zeros(n_series, bool)
        self._awake[table.series[~table.at_rest()]] = True

    def _noticed(self, runs: Runs) -> NDArray[np.intp]:
        """Return the runs of series that are awake or have a sample at or beyond a limit."""
        known = int(np.searchsorted(runs.series, len(self._high)))
        series = runs.series[:known]
        start = runs.start[:known]
        value = runs.batch.value
        if not known:
            return np.empty(0, np.intp)
        if len(runs) == len(value):
            top = bottom = value[:known]
        else:
            rows = int(start[-1] + runs.count[known - 1])
            top = np.maximum.reduceat(value[:rows], start)
            bottom = np.minimum.reduceat(value[:rows], start)
        noticed = self._awake[series]
        noticed |= top >= self._high[series]
        noticed |= bottom <= self._low[series]
        return np.flatnonzero(noticed)

    def _alarms(
        self, series: NDArray[np.int32], run: NDArray[np.intp]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return (alarm, its run) for every alarm on the series of these runs."""
        first = self._start[series]
        count = self._start[series + 1] - first
        offset = first - (np.cumsum(count) - count)
        return np.repeat(offset, count) + np.arange(int(count.sum())), np.repeat(run, count)

    def _standing(
        self, alarm: NDArray[np.intp]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.int64]]:
        """Return (level, limit, since) of what is present in these alarms."""
        table = self._table
        level = np.where(table.active[:, alarm], table.level[:, alarm], 0)
        if not len(level):
            empty = np.zeros(len(alarm))
            return empty.astype(np.uint8), empty, empty.astype(np.int64)
        top = level.argmax(axis=0)
        column = np.arange(len(alarm))
        return level[top, column].astype(np.uint8), table.limit[top, alarm], table.since[top, alarm]

    def _advance(self, slot: int, cells: _Cells) -> None:
        """Take one slot of all alarms through their cells, and lift the cells' level where it is active."""
        table, alarm, first = self._table, cells.alarm, cells.first

        def spread(column: NDArray[Any]) -> NDArray[Any]:
            return np.repeat(column[slot, alarm], cells.count)

        y = cells.value * spread(table.sign)
        gap = (cells.t - cells.before > spread(table.max_gap)) & (cells.before != 0)
        evidence = np.where(y >= spread(table.on_at), _ON, np.where(y < spread(table.off_at), _OFF, _NONE))
        evidence = evidence.astype(np.uint8)
        written = (evidence != _NONE) | gap
        carried = table.evidence[slot, alarm]
        evidence[first] = np.where(written[first], evidence[first], carried)
        written[first] = True
        evidence = fill(evidence, written)

        begins = gap | (evidence != shift(evidence, first, carried))
        mark = np.where(begins, cells.t, 0)
        mark[first] = np.where(begins[first], cells.t[first], table.mark[slot, alarm])
        begins[first] = True
        mark = fill(mark, begins)

        lasted = cells.t - mark
        sets = (evidence == _ON) & (lasted >= spread(table.on_delay))
        written = sets | ((evidence == _OFF) & (lasted >= spread(table.off_delay)))
        active = sets.copy()
        carried_active = table.active[slot, alarm]
        active[first] = np.where(written[first], sets[first], carried_active)
        written[first] = True
        active = fill(active, written)

        rises = active & ~shift(active, first, carried_active)
        since = np.where(rises, mark, 0)
        since[first] = np.where(rises[first], mark[first], table.since[slot, alarm])
        rises[first] = True
        since = fill(since, rises)

        level = spread(table.level)
        lifts = active & (level > cells.level)
        cells.level[lifts] = level[lifts]
        cells.limit[lifts] = spread(table.limit)[lifts]
        cells.since[lifts] = since[lifts]

        last = cells.last
        table.evidence[slot, alarm] = evidence[last]
        table.mark[slot, alarm] = np.where(evidence[last] == _NONE, 0, mark[last])
        table.active[slot, alarm] = active[last]
        table.since[slot, alarm] = np.where(active[last], since[last], 0)

    def _tell(
        self, cells: _Cells, was: tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.int64]]
    ) -> Events:
        """Return the events of the cells, and remember what was told live."""
        table, alarm, first = self._table, cells.alarm, cells.first
        # Before a live sample stands what was told last; before a historical one, what was present.
        known = cells.live.copy()
        known[first] = True

        def told(column: NDArray[Any], carried: NDArray[Any]) -> NDArray[Any]:
            after = column.copy()
            after[first] = np.where(cells.live[first], column[first], carried)
            return fill(after, known)

        now_told = [
            told(cells.level, table.told[alarm]),
            told(cells.since, table.told_since[alarm]),
            told(cells.limit, table.told_limit[alarm]),
        ]
        carried_told: list[NDArray[Any]] = [
            table.told[alarm],
            table.told_since[alarm],
            table.told_limit[alarm],
        ]
        carried_was: list[NDArray[Any]] = [was[0], was[2], was[1]]
        present: list[NDArray[Any]] = [cells.level, cells.since, cells.limit]

        def earlier(column: int) -> NDArray[Any]:
            of_live = shift(now_told[column], first, carried_told[column])
            return np.where(cells.live, of_live, shift(present[column], first, carried_was[column]))

        before = [earlier(column) for column in range(3)]
        table.told[alarm] = now_told[0][cells.last]
        table.told_since[alarm] = now_told[1][cells.last]
        table.told_limit[alarm] = now_told[2][cells.last]

        at = np.flatnonzero(cells.level != before[0])
        raised = cells.level[at] > 0
        of = np.repeat(alarm, cells.count)[at]
        return Events.concat([
            Events(
                rule=table.rule[of],
                kind=np.where(raised, Kind.RAISE, Kind.CLEAR).astype(np.uint8),
                level=np.where(raised, cells.level[at], before[0][at]),
                subject_kind=np.full(len(at), SubjectKind.SERIES, np.uint8),
                subject=table.series[of],
                series=table.series[of],
                t=cells.t[at],
                since=np.where(raised, cells.since[at], before[1][at]),
                value=cells.value[at],
                limit=np.where(raised, cells.limit[at], before[2][at]),
                historical=~cells.live[at],
            )
        ])  # fmt: skip

    def _rest(self, cells: _Cells) -> None:
        """Forget what cannot matter any more, so that state does not depend on who else was looked at."""
        table, alarm = self._table, cells.alarm
        active, evidence = table.active[:, alarm], table.evidence[:, alarm]
        idle = ~active & (evidence != _ON)
        table.evidence[:, alarm] = np.where(idle, _NONE, evidence)
        table.mark[:, alarm] = np.where(idle, 0, table.mark[:, alarm])
        table.last_t[alarm] = np.where(idle.all(axis=0), 0, cells.t[cells.last])
        resting = idle.all(axis=0) & (table.told[alarm] == 0)
        self._awake[table.series[alarm]] = False
        self._awake[table.series[alarm[~resting]]] = True


def _key(major: NDArray[np.int32], minor: NDArray[np.int32]) -> NDArray[np.int64]:
    return (major.astype(np.int64) << 32) | minor.astype(np.int64)


def _find(wanted: NDArray[np.int64], among: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the place of each wanted key, -1 where it is not; keys are unique."""
    if not len(among):
        return np.full(len(wanted), -1, np.intp)
    order = np.argsort(among)
    at = order[np.minimum(np.searchsorted(among, wanted, sorter=order), len(among) - 1)]
    return np.where(among[at] == wanted, at, -1)


def _carry(old: Table, kept: NDArray[np.intp], new: Table, at: NDArray[np.intp]) -> None:
    """Copy the state of alarms that stay; what is pending under a parameter that changed starts again."""
    for name in ("last_t", "told", "told_since", "told_limit"):
        getattr(new, name)[at] = getattr(old, name)[kept]
    for mine in range(new.n_slots):
        for theirs in range(old.n_slots):
            same = new.level[mine, at] == old.level[theirs, kept]
            same &= (new.sign[mine, at] == old.sign[theirs, kept]) & (new.level[mine, at] > 0)
            a, b = at[same], kept[same]
            new.active[mine, a] = old.active[theirs, b]
            new.since[mine, a] = old.since[theirs, b]
            unchanged = np.ones(len(a), bool)
            for name in ("on_at", "off_at", "on_delay", "off_delay", "max_gap"):
                unchanged &= getattr(new, name)[mine, a] == getattr(old, name)[theirs, b]
            a, b = a[unchanged], b[unchanged]
            new.evidence[mine, a] = old.evidence[theirs, b]
            new.mark[mine, a] = old.mark[theirs, b]


def _withdrawn(old: Table, gone: NDArray[np.intp], rule: NDArray[np.int32], now: int) -> Events:
    """Return the clearing of alarms that were told and are no longer watched."""
    n = len(gone)
    return Events.concat([
        Events(
            rule=rule,
            kind=np.full(n, Kind.CLEAR, np.uint8),
            level=old.told[gone],
            subject_kind=np.full(n, SubjectKind.SERIES, np.uint8),
            subject=old.series[gone],
            series=old.series[gone],
            t=np.full(n, now - now % 1000, np.int64),
            since=old.told_since[gone],
            value=np.full(n, np.nan),
            limit=old.told_limit[gone],
            historical=np.zeros(n, bool),
        )
    ])  # fmt: skip
