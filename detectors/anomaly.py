"""Anomaly: raises when the general score of a series reaches its threshold (anomaly_score.py).

    raise   S >= threshold, not raised, and more than `refractory` readings since the last raise
    clear   raised and S < threshold / 2

The score needs no limits and knows no units, so it is for series that nobody has written a rule for. It says
"look here", not "danger": its place is the lowest level. Readings that are NaN or BAD are skipped: they are neither
unusual nor usual. Late readings must have been taken out; historical ones give findings (`Events.historical`).
Alarm rates by threshold: docs/detection.md; 1.2 is a default of ours.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.batch import HISTORICAL, Batch
from core.events import Events, Kind, SubjectKind
from detectors.anomaly_edges import Edges
from detectors.anomaly_score import Score, Tuning
from detectors.anomaly_sketch import Floats
from detectors.contract import State
from detectors.frame import Frame, Runs
from detectors.lookup import find

THRESHOLD = 1.2
REFRACTORY = 150
_RELEASE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """Which series are scored: series int32[N], ascending · rule int32[N] · level uint8[N] · threshold float64[N]."""

    series: NDArray[np.int32]
    rule: NDArray[np.int32]
    level: NDArray[np.uint8]
    threshold: Floats

    @classmethod
    def of(
        cls, series: NDArray[np.int32], *, rule: int = 0, level: int = 1, threshold: float = THRESHOLD
    ) -> Watched:
        """Return all these series under one rule; raises ValueError when one is named twice."""
        if len(np.unique(series)) != len(series):
            raise ValueError("a series is to be scored twice")
        n = len(series)
        return cls(
            np.sort(series).astype(np.int32),
            np.full(n, rule, np.int32),
            np.full(n, level, np.uint8),
            np.full(n, threshold),
        )


class Anomaly:
    """Scores series about which nothing is known."""

    def __init__(
        self, watched: Watched | None = None, *, tuning: Tuning | None = None, refractory: int = REFRACTORY
    ) -> None:
        """Start with nothing known; `refractory` counts readings."""
        self._watched = watched or Watched.of(np.empty(0, np.int32))
        n = len(self._watched.series)
        self._score = Score(n, tuning)
        self._refractory = refractory
        self._edges = Edges.quiet(n)
        self._age = np.full(n, refractory + 1, np.int32)

    def __len__(self) -> int:
        return len(self._watched.series)

    def configure(self, watched: Watched, *, moved: NDArray[np.int32], now: int) -> Events:
        """Score these series from now on; return the clearing of alarms that nobody watches any more.

        What is known of a series follows it, and an alarm its rule and level. `moved` is as in `Alarms.carry`.
        """
        old, score, edges, age = self._watched, self._score, self._edges, self._age
        n = len(watched.series)
        self._watched, self._score = watched, Score(n, score.tuning)
        self._edges, self._age = Edges.quiet(n), np.full(n, self._refractory + 1, np.int32)
        at = find(old.series.astype(np.int64), watched.series.astype(np.int64))
        there = np.flatnonzero(at >= 0)
        here = at[there]
        self._score.memory.put(here, score.memory.take(there))
        row = moved[old.rule] if len(old.rule) else old.rule
        same = (row[there] == watched.rule[here]) & (old.level[there] == watched.level[here])
        self._edges.carry(edges, there[same], here[same])
        self._age[here[same]] = age[there[same]]
        lost = edges.told.copy()
        lost[there[same]] = False
        gone = np.flatnonzero(lost)
        return edges.withdrawn(
            gone,
            rule=np.where(row < 0, -1 - row, row)[gone],
            level=old.level[gone],
            kind=SubjectKind.SERIES,
            subject=old.series[gone],
            limit=old.threshold[gone],
            now=now,
        )

    def step(self, batch: Batch, now: int) -> Events:
        """Return what the batch raises and clears."""
        return self.feed(Frame.of(batch), now)

    def feed(self, frame: Frame, now: int) -> Events:  # noqa: ARG002 - event time alone decides
        """Do as `step`, with the batch already cut into runs."""
        runs = frame.usable
        return Events.concat([
            self._move(runs.batch, row, lane, score) for row, lane, score in self._rounds(runs)
        ])  # fmt: skip

    def scores(self, batch: Batch) -> Floats:
        """Take a batch as `step` does; return S of every row, NaN where there is none."""
        scores = np.full(len(batch), np.nan)
        runs = Runs.of(batch)
        for row, lane, score in self._rounds(runs):
            self._move(batch, row, lane, score)
            scores[row] = score
        return scores

    def snapshot(self) -> State:
        """Return copies of parameters and state."""
        state: dict[str, NDArray[Any]] = {
            f"watched.{field.name}": getattr(self._watched, field.name).copy() for field in fields(Watched)
        }
        state |= {f"score.{name}": column for name, column in self._score.snapshot().items()}
        state |= self._edges.kept("edges.")
        return state | {"age": self._age.copy(), "refractory": np.array([self._refractory], np.int64)}

    def restore(self, state: State) -> None:
        """Become the detector whose snapshot this is."""
        given: dict[str, Any] = dict(state)
        self._watched = Watched(**{f.name: given[f"watched.{f.name}"].copy() for f in fields(Watched)})
        prefix = "score."
        self._score = Score.restored(
            {name.removeprefix(prefix): column for name, column in given.items() if name.startswith(prefix)}
        )
        self._edges = Edges.restored(given, "edges.")
        self._age = given["age"].copy()
        self._refractory = int(given["refractory"][0])

    def _rounds(self, runs: Runs) -> list[tuple[NDArray[np.intp], NDArray[np.intp], Floats]]:
        """Advance reading by reading; return (rows, lanes, scores) of the first, second, … of every series."""
        known = self._watched.series
        lane = np.searchsorted(known, runs.series)
        watched = lane < len(known)
        watched[watched] = known[lane[watched]] == runs.series[watched]
        which = np.flatnonzero(watched)
        which = which[np.argsort(-runs.count[which], kind="stable")]
        lane, start, count = lane[which], runs.start[which], runs.count[which]
        found = []
        for k in range(int(count.max(initial=0))):
            n = int(np.searchsorted(-count, -k, side="left"))
            row = start[:n] + k
            found.append((row, lane[:n], self._score.advance(lane[:n], runs.batch.value[row])))
        return found

    def _move(self, batch: Batch, row: NDArray[np.intp], lane: NDArray[np.intp], score: Floats) -> Events:
        """Move the alarms of these series by one reading each; return what changed."""
        watched = self._watched
        was, limit, t = self._edges.active[lane], watched.threshold[lane], batch.t[row]
        age = np.minimum(self._age[lane] + 1, self._refractory + 1)
        rises = ~was & (score >= limit) & (age > self._refractory)
        falls = was & (score < _RELEASE * limit)
        self._age[lane] = np.where(rises, 0, age)
        active = (was | rises) & ~falls
        live = (batch.quality[row] & HISTORICAL) == 0
        at = self._edges.move(lane, active, t, live)
        if not len(at):
            return Events.empty()
        series = watched.series[lane[at]]
        return Events(
            rule=watched.rule[lane[at]],
            kind=np.where(active[at], Kind.RAISE, Kind.CLEAR).astype(np.uint8),
            level=watched.level[lane[at]],
            subject_kind=np.full(len(at), SubjectKind.SERIES, np.uint8),
            subject=series,
            series=series,
            t=t[at],
            since=self._edges.since[lane[at]],
            value=score[at],
            limit=limit[at],
            historical=~live[at],
        )
