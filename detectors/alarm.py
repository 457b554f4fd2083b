"""Alarms: several levels with deadband, on-delay and off-delay on one statistic; the end of every detector.

Of one level of the high side (the low side is its mirror), sample by sample in event time:

    evidence   on when y >= limit, off when y < limit - deadband, else as before; a gap > max_gap leaves none
    run        samples of the same evidence without such a gap; it begins at its first sample
    raise      at the first sample of an on-run that is on_delay or more after the beginning
    clear      at the first sample of an off-run that is off_delay or more after the beginning

So a gap restarts what is pending, and an active level stays active over it: unknown is no evidence (law 6).
An alarm shows its highest active level. What was told live is remembered beside what is present: at every live
sample where they differ an event is said, so samples that arrived late in their life (HISTORICAL) give findings,
and what is left of them is said again at the first live sample (law 5).

Everything is a last-writer-wins scan, exact in integers and comparisons. The terms are those of ISA-18.2.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from core.events import Events, Kind, SubjectKind
from detectors.book import Book, Kinds, Limits, tabulate
from detectors.contract import State
from detectors.fill import fill, shift
from detectors.lookup import find, pack

_NONE, _ON, _OFF = 0, 1, 2  # evidence


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """What alarms look at: for each of C channels its samples, channel after channel, in order of time.

    channel int32[C] · count intp[C] · t int64[N] ns · value float64[N], never NaN · live bool[N]
    """

    channel: NDArray[np.intp]
    count: NDArray[np.intp]
    t: NDArray[np.int64]
    value: NDArray[np.float64]
    live: NDArray[np.bool_]

    def of(self, channels: NDArray[np.bool_]) -> Samples:
        """Return the samples of the chosen channels."""
        cells = np.repeat(channels, self.count)
        return Samples(
            self.channel[channels], self.count[channels], self.t[cells], self.value[cells], self.live[cells]
        )

    @classmethod
    def concat(cls, parts: list[Samples]) -> Samples:
        """Return the samples of all parts; a channel may be in two of them where nothing needs it once."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__))


@dataclass(slots=True, eq=False)
class _Cells:
    """Samples by alarm: first, last intp[A] cells of each; `before` int64[N] time of the sample before, 0 if none.

    shows, limit, since [N]: the highest slot active after the sample (0 none), its limit, when it began.
    """

    alarm: NDArray[np.intp]
    count: NDArray[np.intp]
    first: NDArray[np.intp]
    last: NDArray[np.intp]
    t: NDArray[np.int64]
    value: NDArray[np.float64]
    live: NDArray[np.bool_]
    before: NDArray[np.int64]
    shows: NDArray[np.uint8]
    limit: NDArray[np.float64]
    since: NDArray[np.int64]


class Alarms:
    """The alarms of a bank: from samples of statistics to events.

    Silence means: nothing. A channel without samples neither raises nor clears; staleness.py tells of it.
    """

    def __init__(self, rows: Limits) -> None:
        """Start with nothing raised; raises ValueError when two rows share a (rule, subject, level, side)."""
        self._take(*tabulate(rows))

    def __len__(self) -> int:
        return len(self.book.kind)

    def judge(self, samples: Samples) -> Events:
        """Return the edges in these samples; no channel may occur twice."""
        cells = self._cells(samples)
        if not len(cells.alarm):
            return Events.empty()
        was = self._standing(cells.alarm)
        for slot in range(len(self.kinds.shows)):
            self._advance(slot, cells)
        events = self._tell(cells, was)
        self._rest(cells)
        return events

    def awake(self, channels: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return of which channels an alarm must see every sample: present, pending, or left to tell."""
        alarm, count = self._alarms(channels)
        book = self.book
        at = self.slots_of(alarm)
        stirring = (book.active[at] | (book.evidence[at] == _ON)).any(axis=0) | (book.told[alarm] > 0)
        awake = np.zeros(len(channels), bool)
        awake[np.repeat(np.arange(len(channels)), count)[stirring]] = True
        return awake

    def bounds(self, n_channels: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (high, low) per channel: a statistic strictly between them concerns no alarm that is at rest."""
        high, low = np.full(n_channels, np.inf), np.full(n_channels, -np.inf)
        kinds, kind, channel = self.kinds, self.book.kind, self.book.channel
        for slot in range(len(kinds.shows)):
            limit, used = kinds.limit[slot][kind], kinds.shows[slot][kind] > 0
            side = kinds.sign[slot][kind] > 0
            np.minimum.at(high, channel[used & side], limit[used & side])
            np.maximum.at(low, channel[used & ~side], limit[used & ~side])
        return high, low

    def snapshot(self) -> State:
        """Return copies of parameters and state."""
        parts: tuple[tuple[str, Any], ...] = (("kinds", self.kinds), ("book", self.book))
        return {
            f"{name}.{field.name}": getattr(part, field.name).copy()
            for name, part in parts
            for field in fields(part)
        }

    def restore(self, state: State) -> None:
        """Become the alarms whose snapshot this is."""
        kinds, book = (
            {field.name: state[f"{name}.{field.name}"].copy() for field in fields(of)}
            for name, of in (("kinds", Kinds), ("book", Book))
        )
        self._take(Kinds(**cast("dict[str, Any]", kinds)), Book(**cast("dict[str, Any]", book)))

    def carry(self, old: Alarms, moved: NDArray[np.int32], now: int) -> Events:
        """Take over the state of alarms that were there before; return the clearing of those that are gone.

        `moved[old rule row]` is the rule's new row, `-1 - row` if it was retired. Levels that stay keep their state;
        where a parameter changed, what is pending starts again. An alarm that was told and is no longer watched is
        said to be clear, so that it does not hang for ever.
        """
        row = moved[old.kinds.rule[old.book.kind]] if len(old) else np.empty(0, np.int32)
        at = find(old.key(row), self.key(self.kinds.rule[self.book.kind]))
        kept = np.flatnonzero(at >= 0)
        _carry(old, kept, self, at[kept])
        gone = np.flatnonzero((at < 0) & (old.book.told > 0))
        return old.withdrawn(gone, np.where(row < 0, -1 - row, row)[gone].astype(np.int32), now)

    def key(self, rule: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return what makes an alarm one: (rule, kind of subject, subject)."""
        kind = self.kinds.subject_kind[self.book.kind].astype(np.int32)
        return pack(self.book.subject, rule * 8 + kind)

    def withdrawn(self, gone: NDArray[np.intp], rule: NDArray[np.int32], now: int) -> Events:
        """Return the clearing of these alarms, by the wall clock."""
        n, book = len(gone), self.book
        events = Events(
            rule=rule,
            kind=np.full(n, Kind.CLEAR, np.uint8),
            level=_level(book.told[gone]),
            subject_kind=self.kinds.subject_kind[book.kind[gone]],
            subject=book.subject[gone],
            series=self._series(gone),
            t=np.full(n, now - now % 1000, np.int64),
            since=book.told_since[gone],
            value=np.full(n, np.nan),
            limit=self._limit_of(gone, book.told[gone]),
            historical=np.zeros(n, bool),
        )
        return Events.concat([events])

    def _take(self, kinds: Kinds, book: Book) -> None:
        self.kinds, self.book = kinds, book
        n_channels = int(book.channel.max(initial=-1)) + 1
        self._start = np.searchsorted(book.channel, np.arange(n_channels + 1)).astype(np.int32)

    def _alarms(self, channels: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the alarms of these channels, channel after channel, and how many each has."""
        known = len(self._start) - 1
        first = self._start[np.minimum(channels, known)]
        count = (self._start[np.minimum(channels + 1, known)] - first).astype(np.intp)
        offset = first - (np.cumsum(count) - count)
        return np.repeat(offset, count) + np.arange(int(count.sum())), count

    def _cells(self, samples: Samples) -> _Cells:
        alarm, n_alarms = self._alarms(samples.channel)
        count = np.repeat(samples.count, n_alarms)
        last = np.cumsum(count) - 1
        first = last - count + 1
        t, value, live = samples.t, samples.value, samples.live
        if not (n_alarms == 1).all():
            begin = np.repeat(np.cumsum(samples.count) - samples.count, n_alarms)
            place = np.repeat(begin - first, count) + np.arange(int(count.sum()))
            t, value, live = t[place], value[place], live[place]
        n = len(t)
        return _Cells(
            alarm=alarm,
            count=count,
            first=first,
            last=last,
            t=t,
            value=value,
            live=live,
            before=shift(t, first, self.book.last_t[alarm]),
            shows=np.zeros(n, np.uint8),
            limit=np.full(n, np.nan),
            since=np.zeros(n, np.int64),
        )

    def _standing(self, alarm: NDArray[np.intp]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return (what it shows, since) of what is present in these alarms."""
        book = self.book
        at = self.slots_of(alarm)
        shows = np.where(book.active[at], self.kinds.shows[:, book.kind[alarm]], 0).astype(np.uint8)
        top = (shows >> 1).argmax(axis=0)
        column = np.arange(len(alarm))
        return shows[top, column], book.since[at[top, column]]

    def slots_of(self, alarm: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return, [K, A], the rows of these alarms' slots; the last row of all for what they do not have."""
        first, nth = self.book.first[alarm], np.arange(len(self.kinds.shows))[:, None]
        has = self.kinds.shows[:, self.book.kind[alarm]] > 0
        return np.where(has, first + nth, len(self.book.mark) - 1)

    def _series(self, alarm: NDArray[np.intp]) -> NDArray[np.int32]:
        """Return the series whose sample decides, 0 where the subject is no series."""
        book = self.book
        return np.where(
            self.kinds.subject_kind[book.kind[alarm]] == SubjectKind.SERIES, book.subject[alarm], 0
        )

    def _limit_of(self, alarm: NDArray[np.intp], shows: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return the limit that each alarm was shown at; NaN when it has no such level any more."""
        kind = self.book.kind[alarm]
        limit = np.full(len(alarm), np.nan)
        for slot in range(len(self.kinds.shows)):
            there = (self.kinds.shows[slot][kind] == shows) & (shows > 0)
            limit[there] = self.kinds.limit[slot][kind[there]]
        return limit

    def _advance(self, slot: int, cells: _Cells) -> None:
        """Take one slot of all alarms through their cells, and lift the cells' level where it is active."""
        book, kinds, first = self.book, self.kinds, cells.first
        kind, at = book.kind[cells.alarm], self.slots_of(cells.alarm)[slot]

        def spread(column: NDArray[Any]) -> NDArray[Any]:
            return np.repeat(column[slot][kind], cells.count)

        y = cells.value * spread(kinds.sign)
        on = y >= spread(kinds.on_at)
        carried, carried_active = book.evidence[at], book.active[at]
        if not (on.any() or carried_active.any() or (carried == _ON).any()):
            return
        gap = (cells.t - cells.before > spread(kinds.max_gap)) & (cells.before != 0)
        off = y < spread(kinds.off_at)
        evidence = on * np.uint8(_ON) + off * np.uint8(_OFF)
        written = on | off | gap
        evidence[first] = np.where(written[first], evidence[first], carried)
        written[first] = True
        evidence = fill(evidence, written)

        begins = gap | (evidence != shift(evidence, first, carried))
        mark = cells.t.copy()
        mark[first] = np.where(begins[first], mark[first], book.mark[at])
        begins[first] = True
        mark = fill(mark, begins)

        lasted = cells.t - mark
        sets = (evidence == _ON) & (lasted >= spread(kinds.on_delay))
        written = sets | ((evidence == _OFF) & (lasted >= spread(kinds.off_delay)))
        active = sets.copy()
        active[first] = np.where(written[first], sets[first], carried_active)
        written[first] = True
        active = fill(active, written)

        rises = active & ~shift(active, first, carried_active)
        since = mark.copy()
        since[first] = np.where(rises[first], mark[first], book.since[at])
        rises[first] = True
        since = fill(since, rises)

        shows = spread(kinds.shows)
        lifts = np.flatnonzero(active & (shows >> 1 > cells.shows >> 1))
        cells.shows[lifts] = shows[lifts]
        cells.limit[lifts] = spread(kinds.limit)[lifts]
        cells.since[lifts] = since[lifts]

        last = cells.last
        book.evidence[at] = evidence[last]
        book.mark[at] = np.where(evidence[last] == _NONE, 0, mark[last])
        book.active[at] = active[last]
        book.since[at] = np.where(active[last], since[last], 0)

    def _tell(self, cells: _Cells, was: tuple[NDArray[np.uint8], NDArray[np.int64]]) -> Events:
        """Return the events of the cells, and remember what was told live."""
        book, alarm, first, live = self.book, cells.alarm, cells.first, cells.live
        # Before a live sample stands what was told last; before a historical one, what was present.
        known = live.copy()
        known[first] = True

        def told(column: NDArray[Any], carried: NDArray[Any]) -> NDArray[Any]:
            after = column.copy()
            after[first] = np.where(live[first], column[first], carried)
            return fill(after, known)

        carried_told: list[NDArray[Any]] = [book.told[alarm], book.told_since[alarm]]
        present: list[NDArray[Any]] = [cells.shows, cells.since]
        now_told = [told(column, carried) for column, carried in zip(present, carried_told, strict=True)]
        before = [
            np.where(live, shift(now_told[i], first, carried_told[i]), shift(present[i], first, was[i]))
            for i in range(2)
        ]
        book.told[alarm] = now_told[0][cells.last]
        book.told_since[alarm] = now_told[1][cells.last]

        at = np.flatnonzero(cells.shows >> 1 != before[0] >> 1)
        if not len(at):
            return Events.empty()
        raised = cells.shows[at] > 0
        of = np.repeat(alarm, cells.count)[at]
        kind = book.kind[of]
        events = Events(
            rule=self.kinds.rule[kind],
            kind=np.where(raised, Kind.RAISE, Kind.CLEAR).astype(np.uint8),
            level=_level(np.where(raised, cells.shows[at], before[0][at])),
            subject_kind=self.kinds.subject_kind[kind],
            subject=book.subject[of],
            series=self._series(of),
            t=cells.t[at],
            since=np.where(raised, cells.since[at], before[1][at]),
            value=cells.value[at],
            limit=np.where(raised, cells.limit[at], self._limit_of(of, before[0][at])),
            historical=~live[at],
        )
        return Events.concat([events])

    def _rest(self, cells: _Cells) -> None:
        """Forget what cannot matter any more, so that state does not depend on who else was looked at."""
        book, alarm = self.book, cells.alarm
        at = self.slots_of(alarm)
        idle = ~book.active[at] & (book.evidence[at] != _ON)
        book.evidence[at] *= ~idle
        book.mark[at] *= ~idle
        book.last_t[alarm] = np.where(idle.all(axis=0), 0, cells.t[cells.last])


def _level(shows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the level of what is shown."""
    return np.right_shift(shows, np.uint8(1), dtype=np.uint8)


def _carry(old: Alarms, kept: NDArray[np.intp], new: Alarms, at: NDArray[np.intp]) -> None:
    """Copy the state of alarms that stay; what is pending under a parameter that changed starts again."""
    for name in ("last_t", "told", "told_since"):
        getattr(new.book, name)[at] = getattr(old.book, name)[kept]
    mine, theirs = new.book.kind[at], old.book.kind[kept]
    into, out_of = new.slots_of(at), old.slots_of(kept)
    for here in range(len(new.kinds.shows)):
        for there in range(len(old.kinds.shows)):
            same = (new.kinds.shows[here][mine] == old.kinds.shows[there][theirs]) & (
                new.kinds.shows[here][mine] > 0
            )
            a, b = into[here][same], out_of[there][same]
            new.book.active[a] = old.book.active[b]
            new.book.since[a] = old.book.since[b]
            for name in ("on_at", "off_at", "on_delay", "off_delay", "max_gap"):
                same &= getattr(new.kinds, name)[here][mine] == getattr(old.kinds, name)[there][theirs]
            a, b = into[here][same], out_of[there][same]
            new.book.evidence[a] = old.book.evidence[b]
            new.book.mark[a] = old.book.mark[b]
