"""Bank: all detectors as one step over a batch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from core.batch import Batch
from core.events import Events, Rule
from core.time import SECOND
from detectors.contract import Detector, State
from detectors.frame import Frame
from detectors.plan import Plan
from detectors.staleness import Staleness
from detectors.threshold import Table, Threshold


class Bank:
    """Holds the detectors, and the rules that their events name.

    A bank without a plan finds nothing. `configure` replaces the plan while running; `restore` needs none,
    for a snapshot holds parameters, rules and state.
    """

    def __init__(self, plan: Plan | None = None, *, now: int = 0, max_step: int = 5 * SECOND) -> None:
        """Start with nothing raised; max_step ns is the most that one step adds to watched time."""
        self.rules: tuple[Rule, ...] = ()
        self._n_planned = 0
        self._threshold = Threshold()
        self._staleness = Staleness(max_step=max_step, now=now)
        self._detectors: Mapping[str, Detector] = {"threshold": self._threshold, "staleness": self._staleness}
        if plan is not None:
            self.configure(plan, now)

    def step(self, batch: Batch, now: int) -> Events:
        """Return what the batch and the passing of time change, ordered by (t, rule, subject).

        `now`: wall clock in ns, never less than the last time. The batch must be `Batch.live()`.
        """
        frame = Frame.of(batch)
        return Events.concat([detector.feed(frame, now) for detector in self._detectors.values()])

    def configure(self, plan: Plan, now: int) -> Events:
        """Replace what is detected; raises ValueError when the plan contradicts itself; then nothing changed.

        State follows (rule code, subject): alarms that are still watched go on, new ones start fresh, and one
        that is raised but no longer watched is said to be clear, so that nothing hangs. Rules that went stay
        at the end of `rules` until the next call, for those events to name. The caller takes a checkpoint
        afterwards: the log of batches holds no plans.
        """
        _check(plan)
        row_of = {rule.code: row for row, rule in enumerate(plan.rules)}
        in_force = self.rules[: self._n_planned]
        retired = [rule for rule in in_force if rule.code not in row_of]
        retired_row = {rule.code: len(plan.rules) + n for n, rule in enumerate(retired)}
        moved = np.array(
            [row_of[r.code] if r.code in row_of else -1 - retired_row[r.code] for r in in_force], np.int32
        )
        events = [
            self._threshold.configure(plan.thresholds, moved, now),
            self._staleness.configure(
                plan.silences, plan.gateway_silences, gateway_of=plan.gateway_of, moved=moved, now=now
            ),
        ]
        self.rules = (*plan.rules, *retired)
        self._n_planned = len(plan.rules)
        return Events.concat(events)

    def snapshot(self) -> State:
        """Return copies of everything, under names like `threshold/limit`."""
        state: dict[str, NDArray[np.generic]] = {
            f"{name}/{key}": value
            for name, detector in self._detectors.items()
            for key, value in detector.snapshot().items()
        }
        text = json.dumps([asdict(rule) for rule in self.rules], ensure_ascii=False).encode()
        state["rules"] = np.frombuffer(text, np.uint8).copy()
        state["n_planned"] = np.array([self._n_planned], np.int64)
        return state

    def restore(self, state: State) -> None:
        """Become the bank whose snapshot this is."""
        for name, detector in self._detectors.items():
            prefix = f"{name}/"
            detector.restore({
                key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)
            })  # fmt: skip
        self.rules = tuple(Rule(**rule) for rule in json.loads(state["rules"].tobytes()))
        self._n_planned = int(cast("NDArray[np.int64]", state["n_planned"])[0])


class _Named(Protocol):
    @property
    def rule(self) -> NDArray[np.int32]: ...


def _check(plan: Plan) -> None:
    """Refuse a plan that would name rules it does not have, or two by one code."""
    codes = [rule.code for rule in plan.rules]
    if len(set(codes)) != len(codes):
        raise ValueError(f"two rules of one code in {sorted(codes)}")
    tables: tuple[_Named, ...] = (plan.thresholds, plan.silences, plan.gateway_silences)
    for table in tables:
        if len(table.rule) and not 0 <= table.rule.min() <= table.rule.max() < len(codes):
            raise ValueError(f"{type(table).__name__} names a rule that is not among the {len(codes)}")
    Table.of(plan.thresholds)
    for silences in (plan.silences, plan.gateway_silences):
        if len(np.unique(silences.subject)) != len(silences):
            raise ValueError("two silences of one subject")
    if (plan.thresholds.deadband < 0).any() or np.isnan(plan.thresholds.limit).any():
        raise ValueError("a limit is NaN or a deadband is negative")
