"""Staleness: who has been silent for longer than allowed, in watched time.

Watched time is ours: it advances with each new `now`, by at most `max_step`. A stopped service or a slow
database therefore never makes a sensor look silent (law 6).

    series    due when watch - watch at its last sample (any quality) > allowed
    gateway   silent when the same holds for the last sample of any of its series
    enterprise  silent when the same holds for the last sample of any of its gateways
    worse     what is raised and still silent after `worse_after` is raised again at its `worse` level
    a series that is due is raised once its gateway has proved alive after the series was due; until then
              it is held back: the gateway's own silence says it all (without a rule for it: raised at once)
    a gateway that was away for more than half of what it is allowed brings its series back one after the other:
              each has as long as the gateway was away, at most its own allowance, before it is due (law 8)
    clear     at the first sample

An instant is judged when it is over, that is, when a later `now` comes: more samples of the same instant may
still arrive (split law). What was never seen counts from when it was first configured.
A sweep is one comparison over the deadlines, and is left out while no deadline can have passed.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from core.batch import Batch
from core.events import Events, Kind, SubjectKind
from core.time import SECOND
from detectors.contract import State
from detectors.frame import Frame
from detectors.plan import Silences

_NEVER = np.iinfo(np.int64).max
_OPEN = np.uint8(0)  # not due, as far as was judged
_HELD = np.uint8(1)  # due, but its gateway may be what is silent
_RAISED = np.uint8(2)
_WORSE = np.uint8(3)  # raised, and raised again


@dataclass(slots=True, eq=False)
class Watch:
    """The silence of S subjects, by primary key.

    rule int32[S] · level uint8[S] · allowed int64[S] ns (0: not watched) · worse uint8[S], worse_after int64[S]
    seen int64[S] watch at the last sample · arrived int64[S] wall clock of it · phase uint8[S]
    deadline int64[S] watch from which on it is due, or raised, worse; never when nothing more can be said
    """

    rule: NDArray[np.int32]
    level: NDArray[np.uint8]
    allowed: NDArray[np.int64]
    worse: NDArray[np.uint8]
    worse_after: NDArray[np.int64]
    seen: NDArray[np.int64]
    arrived: NDArray[np.int64]
    phase: NDArray[np.uint8]
    deadline: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Silences, n_subjects: int, watch: int, now: int) -> Watch:
        """Return subjects that were seen just now; raises ValueError when one has two rows."""
        if len(np.unique(rows.subject)) != len(rows):
            raise ValueError("two silences of one subject")
        n = max(n_subjects, int(rows.subject.max(initial=-1)) + 1)

        def place(values: NDArray[Any], dtype: type[np.generic]) -> NDArray[Any]:
            placed = np.zeros(n, dtype)
            placed[rows.subject] = values
            return placed

        allowed = place(np.maximum(rows.allowed, 0), np.int64)
        return cls(
            rule=place(rows.rule, np.int32),
            level=place(rows.level, np.uint8),
            allowed=allowed,
            worse=place(rows.worse, np.uint8),
            worse_after=place(rows.worse_after, np.int64),
            seen=np.full(n, watch, np.int64),
            arrived=np.full(n, now, np.int64),
            phase=np.full(n, _OPEN),
            deadline=np.where(allowed > 0, watch + allowed, _NEVER),
        )

    def due(self, watch: int) -> NDArray[np.intp]:
        """Return what is to be judged."""
        return np.flatnonzero(self.deadline < watch)

    def raise_(self, who: NDArray[np.intp]) -> None:
        """Note that these are raised; those that were already, at their worse level."""
        before = self.phase[who]
        self.phase[who] = np.where(before == _RAISED, _WORSE, _RAISED)
        goes_on = (before != _RAISED) & (self.worse[who] > self.level[who])
        self.deadline[who] = np.where(goes_on, self.seen[who] + self.worse_after[who], _NEVER)

    def see(self, who: NDArray[np.intp], watch: int, now: int) -> int:
        """Note samples of these subjects; return the earliest of their new deadlines."""
        self.seen[who] = watch
        self.arrived[who] = now
        self.phase[who] = _OPEN
        allowed = self.allowed[who]
        deadline = np.where(allowed > 0, watch + allowed, _NEVER)
        self.deadline[who] = deadline
        return int(deadline.min(initial=_NEVER))

    def events(self, who: NDArray[np.intp], *, kind: Kind, of: SubjectKind, watch: int, t: int) -> Events:
        """Return one event of a kind for each of these subjects."""
        if not len(who):
            return Events.empty()
        n = len(who)
        subject = who.astype(np.int32)
        worse = self.phase[who] == _WORSE
        return Events(
            rule=self.rule[who],
            kind=np.full(n, kind, np.uint8),
            level=np.where(worse, self.worse[who], self.level[who]),
            subject_kind=np.full(n, of, np.uint8),
            subject=subject,
            series=subject if of is SubjectKind.SERIES else np.zeros(n, np.int32),
            t=np.full(n, t - t % 1000, np.int64),
            since=self.arrived[who] - self.arrived[who] % 1000,
            value=(watch - self.seen[who]) / SECOND,
            limit=np.where(worse, self.worse_after[who], self.allowed[who]) / SECOND,
            historical=np.zeros(n, bool),
        )


_NAMES = {
    SubjectKind.SERIES: "series",
    SubjectKind.GATEWAY: "gateways",
    SubjectKind.ENTERPRISE: "enterprises",
}


class Staleness:
    """Watches for silence of series, gateways, enterprises; its events are about the data, never about the plant."""

    def __init__(
        self,
        series: Silences | None = None,
        gateways: Silences | None = None,
        enterprises: Silences | None = None,
        *,
        gateway_of: NDArray[np.int32] | None = None,
        enterprise_of: NDArray[np.int32] | None = None,
        max_step: int = 5 * SECOND,
        now: int = 0,
    ) -> None:
        """Start to watch; gateway_of int32[S], enterprise_of int32[G], 0 = none; a step adds at most max_step ns."""
        self._max_step = max_step
        self._due = _NEVER
        self._holds = np.zeros(0, bool)
        self._watch = 0
        self._now = now
        rows = (given or Silences.rows() for given in (series, gateways, enterprises))
        self._place(*rows, gateway_of=gateway_of, enterprise_of=enterprise_of, now=now)

    def step(self, batch: Batch, now: int) -> Events:
        """Judge the instants that are over, then note who spoke."""
        return self.feed(Frame.of(batch), now)

    def feed(self, frame: Frame, now: int) -> Events:
        """Judge the instants that are over, then note who spoke."""
        judged = self._judge() if now > self._now else Events.empty()
        if now > self._now:
            self._watch += min(now - self._now, self._max_step)
            self._now = now
        runs = frame.arrived
        known = int(np.searchsorted(runs.series, len(self._series.rule)))
        series = runs.series[:known].astype(np.intp)
        return Events.concat([judged, self._heard(series)])

    def configure(
        self,
        series: Silences,
        gateways: Silences,
        enterprises: Silences,
        *,
        gateway_of: NDArray[np.int32],
        enterprise_of: NDArray[np.int32],
        moved: NDArray[np.int32],
        now: int,
    ) -> Events:
        """Replace what is watched; subjects under the same rule as before keep their state, others start now.

        `moved` is as in `Threshold.configure`. What was raised and is no longer watched is said to be clear.
        """
        old = self._watches()
        self._place(
            series, gateways, enterprises, gateway_of=gateway_of, enterprise_of=enterprise_of, now=now
        )
        events = [
            _keep(before, after, moved, of=kind, watch=self._watch, now=now)
            for kind, before, after in zip(old, old.values(), self._watches().values(), strict=True)
        ]
        self._plan_sweep()
        return Events.concat(events)

    def snapshot(self) -> State:
        """Return copies of both watches and of the clock."""
        state: dict[str, NDArray[np.generic]] = {
            f"{_NAMES[kind]}.{column.name}": getattr(watch, column.name).copy()
            for kind, watch in self._watches().items()
            for column in fields(Watch)
        }
        state["gateway_of"], state["enterprise_of"] = self._gateway_of.copy(), self._enterprise_of.copy()
        state["clock"] = np.array([self._watch, self._now, self._max_step], np.int64)
        return state

    def restore(self, state: State) -> None:
        """Become the detector whose snapshot this is."""

        def watch(name: str) -> Watch:
            columns = {
                column.name: state[f"{name}.{column.name}"].copy()
                for column in fields(Watch)
                if f"{name}.{column.name}" in state  # a checkpoint of an older version has less
            }
            nobody = Watch.of(Silences.rows(), len(columns.get("rule", ())), 0, 0)
            return replace(nobody, **cast("dict[str, Any]", columns))

        self._series, self._gateways, self._enterprises = (watch(name) for name in _NAMES.values())
        self._gateway_of = cast("NDArray[np.int32]", state["gateway_of"].copy())
        known = state["enterprise_of"] if "enterprise_of" in state else np.zeros(1, np.int32)
        self._enterprise_of = cast("NDArray[np.int32]", known.copy())
        clock = cast("NDArray[np.int64]", state["clock"])
        self._watch, self._now, self._max_step = (int(value) for value in clock)
        self._plan_sweep()
        self._due = -1 if self._holds.any() else self._due

    def _watches(self) -> dict[SubjectKind, Watch]:
        return {
            SubjectKind.SERIES: self._series,
            SubjectKind.GATEWAY: self._gateways,
            SubjectKind.ENTERPRISE: self._enterprises,
        }

    def _place(
        self,
        series: Silences,
        gateways: Silences,
        enterprises: Silences,
        *,
        gateway_of: NDArray[np.int32] | None,
        enterprise_of: NDArray[np.int32] | None,
        now: int,
    ) -> None:
        given = np.zeros(0, np.int32) if gateway_of is None else gateway_of
        owner = np.zeros(0, np.int32) if enterprise_of is None else enterprise_of
        if not len(series) and not len(gateways) and not len(enterprises):
            given = given[:0]  # where nobody is watched, nobody need be listened to
        self._series = Watch.of(series, len(given), self._watch, now)
        n_gateways = int(given.max(initial=0)) + 1
        self._gateways = Watch.of(gateways, n_gateways, self._watch, now)
        self._enterprises = Watch.of(enterprises, int(owner.max(initial=0)) + 1, self._watch, now)
        self._enterprise_of = np.zeros(len(self._gateways.rule), np.int32)
        known = min(len(owner), len(self._enterprise_of))
        self._enterprise_of[:known] = owner[:known]
        self._gateway_of = np.zeros(len(self._series.rule), np.int32)
        self._gateway_of[: len(given)] = given
        self._plan_sweep()

    def _judge(self) -> Events:
        """Return what the instant that is over makes silent."""
        if self._watch <= self._due:
            return Events.empty()
        series, gateways = self._series, self._gateways
        late = series.due(self._watch)
        of = self._gateway_of[late]
        proved = gateways.seen[of] > series.deadline[late]
        raised = (series.phase[late] == _RAISED) | proved | (gateways.allowed[of] == 0)
        series.phase[late[~raised]] = _HELD
        due = {kind: watch.due(self._watch) for kind, watch in self._watches().items()}
        due[SubjectKind.SERIES] = late[raised]
        found = []
        for kind, watch in self._watches().items():
            watch.raise_(due[kind])
            found.append(watch.events(due[kind], kind=Kind.RAISE, of=kind, watch=self._watch, t=self._now))
        self._plan_sweep()
        return Events.concat(found)

    def _plan_sweep(self) -> None:
        """Note when the next deadline passes, and which gateways hold a series back."""
        never = np.int64(_NEVER)
        judged = self._series.deadline[self._series.phase != _HELD]
        others = (self._gateways.deadline, self._enterprises.deadline)
        self._due = int(min(deadline.min(initial=never) for deadline in (judged, *others)))
        self._holds = np.zeros(len(self._gateways.rule), bool)
        self._holds[self._gateway_of[self._series.phase == _HELD]] = True

    def _heard(self, series: NDArray[np.intp]) -> Events:
        """Note samples of these series, and so of their gateways; return what that clears."""
        if not len(series):
            return Events.empty()
        gateways = np.flatnonzero(np.bincount(self._gateway_of[series]))
        if self._holds[gateways].any():
            self._due = -1
        self._welcome(gateways)
        enterprises = np.flatnonzero(np.bincount(self._enterprise_of[gateways]))
        parts = []
        for (of, watch), who in zip(self._watches().items(), (series, gateways, enterprises), strict=True):
            back = who[watch.phase[who] >= _RAISED]
            parts.append(watch.events(back, kind=Kind.CLEAR, of=of, watch=self._watch, t=self._now))
            self._due = min(self._due, watch.see(who, self._watch, self._now))
        return Events.concat(parts)

    def _welcome(self, gateways: NDArray[np.intp]) -> None:
        """Give the series behind gateways that were away for long the time to come back, too."""
        away = self._watch - self._gateways.seen
        allowed = self._gateways.allowed
        back = gateways[(allowed[gateways] > 0) & (2 * away[gateways] > allowed[gateways])]
        if not len(back):
            return
        series = self._series
        waiting = (series.allowed > 0) & (series.phase < _RAISED)
        who = np.flatnonzero(waiting & np.isin(self._gateway_of, back))
        grace = np.minimum(away[self._gateway_of[who]], series.allowed[who])
        series.deadline[who] = np.maximum(series.deadline[who], self._watch + grace)
        series.phase[who] = _OPEN


def _keep(
    old: Watch, new: Watch, moved: NDArray[np.int32], *, of: SubjectKind, watch: int, now: int
) -> Events:
    """Copy the state of subjects that stay under their rule; return the clearing of those that do not."""
    n = min(len(old.rule), len(new.rule))
    watched = old.allowed > 0
    row = moved[np.where(watched, old.rule, 0)] if len(moved) else old.rule
    stays = watched.copy()
    stays[n:] = False
    stays[:n] &= (new.allowed[:n] > 0) & (row[:n] == new.rule[:n])
    who = np.flatnonzero(stays)
    for name in ("seen", "arrived", "phase"):
        getattr(new, name)[who] = getattr(old, name)[who]
    # Where no worse level is left, what was raised at it is as good as raised.
    new.phase[who] = np.where(
        new.worse[who] > new.level[who], new.phase[who], np.minimum(new.phase[who], _RAISED)
    )
    may_be_worse = (new.phase[who] == _RAISED) & (new.worse[who] > new.level[who])
    worsens = np.where(may_be_worse, new.seen[who] + new.worse_after[who], _NEVER)
    waits = new.phase[who] < _RAISED
    new.deadline[who[waits]] = (old.deadline[who] - old.allowed[who] + new.allowed[who])[waits]
    new.deadline[who[~waits]] = worsens[~waits]
    gone = np.flatnonzero(watched & ~stays & (old.phase >= _RAISED))
    events = old.events(gone, kind=Kind.CLEAR, of=of, watch=watch, t=now)
    return replace(events, rule=np.where(row < 0, -1 - row, row)[gone].astype(np.int32))
