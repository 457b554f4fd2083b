"""Bank: all detectors as one step over a batch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from core.batch import Batch
from core.events import Events, Rule
from core.time import SECOND
from detectors.alarm import Alarms, Samples
from detectors.anomaly import Anomaly
from detectors.assemble import build, carry, conditions_of, limits_of, tables_of
from detectors.book import Limits
from detectors.condition import Condition
from detectors.contract import State
from detectors.frame import Frame, Runs
from detectors.methods import OPERATORS
from detectors.pca import Pca
from detectors.plan import Plan
from detectors.pool import Pool, Slot
from detectors.rows import Floats
from detectors.staleness import Staleness

# A reading beyond this counts as this: squares of it are still finite.
BIGGEST = 1e15
# Longer runs are taken in pieces, so that memory and the size of sums are bounded.
_LONGEST = 65_536


class Bank:
    """Pools turn readings into statistics, alarms turn statistics into events, staleness listens for silence.

    Beside them the general score (anomaly.py) and the charts of whole devices (pca.py) have alarms of their own.

    A bank without a plan finds nothing. `configure` replaces the plan while running; `restore` needs none, for
    a snapshot holds parameters, rules and state.
    """

    def __init__(self, plan: Plan | None = None, *, now: int = 0, max_step: int = 5 * SECOND) -> None:
        """Start with nothing raised; max_step ns is the most that one step adds to watched time."""
        self.rules: tuple[Rule, ...] = ()
        self._n_planned = 0
        self._staleness = Staleness(max_step=max_step, now=now)
        self._anomaly, self._pca = Anomaly(), Pca()
        self._take([], [], Alarms(Limits.none()))
        if plan is not None:
            self.configure(plan, now)

    def step(self, batch: Batch, now: int) -> Events:
        """Return what the batch and the passing of time change, ordered by (t, rule, subject).

        `now`: wall clock in ns, never less than the last time. The batch must be `Batch.live()`.
        """
        return self.feed(Frame.of(batch), now)

    def feed(self, frame: Frame, now: int) -> Events:
        """Do as `step`, with the batch already cut into runs."""
        found = [self._watch(frame.usable), self._staleness.feed(frame, now)]
        found += [part.feed(frame, now) for part in (self._anomaly, self._pca) if len(part)]
        return Events.concat(found)

    def configure(self, plan: Plan, now: int) -> Events:
        """Replace what is detected; raises ValueError or KeyError for a plan that contradicts itself, changing nothing.

        State follows (rule code, subject): alarms that are still watched go on, new ones start fresh, and one
        that is raised but no longer watched is said to be clear, so that nothing hangs. Rules that went stay
        at the end of `rules` until the next call, for those events to name. The caller takes a checkpoint
        afterwards: the log of batches holds no plans.
        """
        _check(plan)
        tables = tables_of(plan)
        pools, channel = build(tables)
        n_channels = sum(pool.n_channels for pool in pools)
        conditions, limits = conditions_of(plan, channel, n_channels)
        alarms = Alarms(Limits.concat([limits_of(tables, channel), limits]))
        moved, retired = self._moved(plan)
        carry(self._pools, pools)
        for condition in conditions:
            for old in self._conditions:
                condition.carry(old)
        withdrawn = alarms.carry(self._alarms, moved, now)
        self._take(pools, conditions, alarms)
        silent = self._staleness.configure(
            plan.silences,
            plan.gateway_silences,
            plan.enterprise_silences,
            gateway_of=plan.gateway_of,
            enterprise_of=plan.enterprise_of,
            moved=moved,
            now=now,
        )
        unscored = self._anomaly.configure(plan.scored, moved=moved, now=now)
        parted = self._pca.configure(plan.devices, moved=moved, now=now)
        self.rules = (*plan.rules, *retired)
        self._n_planned = len(plan.rules)
        return Events.concat([withdrawn, silent, unscored, parted])

    def snapshot(self) -> State:
        """Return copies of everything, under names like `alarms/kinds.limit`."""
        state: dict[str, NDArray[np.generic]] = {}
        for name, part in self._parts().items():
            state |= {f"{name}/{key}": value for key, value in part.snapshot().items()}
        for n, pool in enumerate(self._pools):
            state[f"pool{n}/matrix"], state[f"pool{n}/series"] = pool.snapshot(), pool.series.copy()
            state |= {f"pool{n}/ring{slot}": ring.copy() for slot, ring in enumerate(pool.rings)}
        for n, condition in enumerate(self._conditions):
            state |= {f"condition{n}/{key}": value for key, value in condition.snapshot().items()}
        text = {
            "rules": [asdict(rule) for rule in self.rules],
            "n_planned": self._n_planned,
            "conditions": [condition.about() for condition in self._conditions],
            "pools": [{"base": p.base, "slots": [slot.about() for slot in p.slots]} for p in self._pools],
        }
        state["text"] = np.frombuffer(json.dumps(text, ensure_ascii=False).encode(), np.uint8).copy()
        return state

    def restore(self, state: State) -> None:
        """Become the bank whose snapshot this is."""
        text = json.loads(state["text"].tobytes())
        pools = []
        for n, about in enumerate(text["pools"]):
            series = cast("NDArray[np.int32]", state[f"pool{n}/series"].copy())
            pool = Pool([_slot(made) for made in about["slots"]], series, about["base"])
            pool.restore(cast("Floats", state[f"pool{n}/matrix"]))
            for slot, ring in enumerate(pool.rings):
                ring[:] = state[f"pool{n}/ring{slot}"]
            pools.append(pool)
        alarms = Alarms(Limits.none())
        alarms.restore(_part(state, "alarms"))
        self._staleness.restore(_part(state, "staleness"))
        self._anomaly, self._pca = Anomaly(), Pca()
        for name, other in (("anomaly", self._anomaly), ("pca", self._pca)):
            if kept := _part(state, name):  # a checkpoint of an older version has none
                other.restore(kept)
        self.rules = tuple(Rule(**rule) for rule in text["rules"])
        self._n_planned = int(text["n_planned"])
        conditions = [
            Condition.restored(about, _part(state, f"condition{n}"))
            for n, about in enumerate(text["conditions"])
        ]
        self._take(pools, conditions, alarms)

    def _parts(self) -> Mapping[str, _Kept]:
        """Return what has a snapshot of its own."""
        return {
            "alarms": self._alarms,
            "staleness": self._staleness,
            "anomaly": self._anomaly,
            "pca": self._pca,
        }

    def _take(self, pools: list[Pool], conditions: list[Condition], alarms: Alarms) -> None:
        """Take pools and alarms, and note where each series has its lane."""
        self._pools, self._conditions, self._alarms = pools, conditions, alarms
        n_series = max((int(pool.series.max(initial=-1)) + 1 for pool in pools), default=0)
        self._pool_of = np.full(n_series, -1, np.int16)
        self._lane_of = np.zeros(n_series, np.intp)
        for n, pool in enumerate(pools):
            self._pool_of[pool.series] = n
            self._lane_of[pool.series] = np.arange(len(pool))
        n_pooled = sum(pool.n_channels for pool in pools)
        high, low = alarms.bounds(n_pooled + sum(len(condition) for condition in conditions))
        for pool in pools:
            pool.bound(*(side[pool.base : pool.base + pool.n_channels] for side in (high, low)))
        # Channels that conditions read: every sample of theirs is wanted.
        read = [condition.inputs[condition.inputs >= 0] for condition in conditions]
        self._read = np.unique(np.concatenate([np.empty(0, np.int64), *read]))
        self._is_read = np.zeros(len(high), bool)
        self._is_read[self._read] = True
        self._wake(np.unique(np.concatenate([alarms.book.channel, self._read])).astype(np.intp))

    def _watch(self, runs: Runs) -> Events:
        """Return the edges that readings make."""
        if len(runs) and runs.series[-1] >= len(self._pool_of):
            known = int(runs.series.searchsorted(np.int32(len(self._pool_of))))
            runs = Runs(runs.batch, runs.series[:known], runs.start[:known], runs.count[:known])
        if not len(runs):
            return Events.empty()
        runs = _clipped(runs)
        read: list[Samples] = []
        events = [self._wave(wave, read) for wave in runs.pieces(_LONGEST)]
        return Events.concat([*events, self._conclude(read)])

    def _conclude(self, read: list[Samples]) -> Events:
        """Return the edges of conditions, from the samples that they read."""
        if not read:
            return Events.empty()
        samples = Samples.concat(read)
        found = [condition.feed(samples) for condition in self._conditions]
        known = [part for part in found if part is not None]
        return self._alarms.judge(Samples.concat(known)) if known else Events.empty()

    def _wave(self, runs: Runs, read: list[Samples]) -> Events:
        """Return the edges in runs of which none is very long, and note which channels are awake then."""
        # Of a thousand series take is twice as fast as brackets.
        pool_of = self._pool_of.take(runs.series)
        lane_of = self._lane_of.take(runs.series)
        longest = 8 + int(np.add.reduce(runs.count)) // 3200
        found: list[Samples] = []
        for n, pool in enumerate(self._pools):
            here = pool_of == n
            n_here = np.count_nonzero(here)
            if n_here:
                which = slice(None) if n_here == len(here) else here.nonzero()[0]
                found += pool.advance(runs, which, lane_of[which], longest=longest)
        found = [samples for samples in found if len(samples.channel)]
        if not found:
            return Events.empty()
        samples = Samples.concat(found)
        if len(self._read):
            read.append(samples.of(self._is_read[samples.channel]))
        events = self._alarms.judge(samples)
        self._wake(samples.channel)
        return events

    def _wake(self, channel: NDArray[np.intp]) -> None:
        """Tell the pools which channels must be noticed at every sample."""
        awake = self._alarms.awake(channel) | self._is_read[channel]
        for pool in self._pools:
            mine = (channel >= pool.base) & (channel < pool.base + pool.n_channels)
            if mine.any():
                pool.wake(channel[mine], awake[mine])

    def _moved(self, plan: Plan) -> tuple[NDArray[np.int32], list[Rule]]:
        """Return where each rule in force went (`-1 - row` when it was retired), and the retired ones."""
        row_of = {rule.code: row for row, rule in enumerate(plan.rules)}
        in_force = self.rules[: self._n_planned]
        retired = [rule for rule in in_force if rule.code not in row_of]
        retired_row = {rule.code: len(plan.rules) + n for n, rule in enumerate(retired)}
        rows = [row_of[r.code] if r.code in row_of else -1 - retired_row[r.code] for r in in_force]
        return np.array(rows, np.int32), retired


def _slot(about: dict[str, Any]) -> Slot:
    """Return the slot that `Slot.about` tells of; what differs by lane is filled in by the matrix."""
    params = {**about["same"], **{name: np.empty(0) for name in about["differs"]}}
    return Slot(OPERATORS[about["method"]], params)


def _part(state: State, name: str) -> State:
    prefix = f"{name}/"
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def _clipped(runs: Runs) -> Runs:
    """Return runs without readings whose square is not finite."""
    value = runs.batch.value
    if np.maximum.reduce(value) <= BIGGEST and np.minimum.reduce(value) >= -BIGGEST:
        return runs
    batch = runs.batch
    clipped = Batch(batch.series, batch.t, np.clip(value, -BIGGEST, BIGGEST), batch.quality)
    return Runs(clipped, runs.series, runs.start, runs.count)


class _Kept(Protocol):
    def snapshot(self) -> State: ...


class _Named(Protocol):
    @property
    def rule(self) -> NDArray[np.int32]: ...


def _check(plan: Plan) -> None:
    """Refuse a plan that names rules it does not have, or two things by one name."""
    codes = [rule.code for rule in plan.rules]
    if len(set(codes)) != len(codes):
        raise ValueError(f"two rules of one code in {sorted(codes)}")
    limits = [plan.thresholds, *(t.limits for t in plan.derived), *(c.limits for c in plan.conditions)]
    silences = (plan.silences, plan.gateway_silences, plan.enterprise_silences)
    tables: tuple[_Named, ...] = (*limits, *silences, plan.scored, plan.devices)
    for table in tables:
        if len(table.rule) and not 0 <= table.rule.min() <= table.rule.max() < len(codes):
            raise ValueError(f"{type(table).__name__} names a rule that is not among the {len(codes)}")
    for table in silences:
        if len(np.unique(table.subject)) != len(table):
            raise ValueError("two silences of one subject")
    for rows in limits:
        if (rows.deadband < 0).any() or np.isnan(rows.limit).any():
            raise ValueError("a limit is NaN or a deadband is negative")
