"""Condition: one expression over the signals of each of many subjects, joined as of event time.

Instants are the times of samples of a subject's signals. At each, a signal has the value of its newest sample that is
not older than `max_age`; without one it is unknown. A sample that comes behind what its subject has already been
judged at counts from there on: the past is not judged again (law 5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from detectors.alarm import Samples
from detectors.contract import State
from detectors.evaluation import evaluate
from detectors.expression import compile_expression
from detectors.fill import fill, shift
from detectors.lookup import find, pack
from detectors.methods import OPERATORS
from detectors.rows import Floats
from detectors.scans import recur

_NEVER = np.iinfo(np.int64).max
_METHODS = frozenset(OPERATORS)
_STATE = ("held", "held_t", "last_t", "was", "began", "began_seen", "learned")


class Condition:
    """M subjects; channel = base + subject's place.

    subject_kind · subject int32[M] · inputs int64[V, M] channel of each signal, -1: the subject has none
    max_age int64[V, M] ns, never for signals that hold until they change · params name -> float64[M]
    """

    def __init__(
        self,
        text: str,
        *,
        subject_kind: int,
        subject: NDArray[np.int32],
        inputs: Mapping[str, NDArray[np.int64]],
        max_age: Mapping[str, NDArray[np.int64]],
        params: Mapping[str, Floats],
        base: int,
    ) -> None:
        """Start without having seen anything; raises ExpressionError, and KeyError for a name that nothing gives."""
        self.expression = compile_expression(text, _METHODS)
        self.subject_kind, self.subject, self.base = subject_kind, subject, base
        self.names = tuple(name for name in self.expression.names if name not in params)
        self.params = {name: np.asarray(params[name]) for name in self.expression.names if name in params}
        n, m = len(self.names), len(subject)
        self.inputs = np.array([inputs[name] for name in self.names], np.int64).reshape(n, m)
        age = np.array([max_age[name] for name in self.names], np.int64).reshape(n, m)
        self.max_age = np.where(age > 0, age, _NEVER)
        k = self.expression.n_memories
        self.held, self.held_t = np.full((n, m), np.nan), np.zeros((n, m), np.int64)
        self.last_t = np.zeros(m, np.int64)
        self.was, self.began = np.full((k, m), np.nan), np.zeros((k, m), np.int64)
        self.began_seen = np.zeros((k, m), bool)
        # Of each baseline: area and seconds learned, and the last value, use and restart.
        self.learned = np.zeros((self.expression.n_learned, 5, m))
        self.learned[:, 2:] = np.nan
        self._index()

    def __len__(self) -> int:
        return len(self.subject)

    def feed(self, samples: Samples) -> Samples | None:
        """Return the condition at every instant where it is known; None when the samples do not concern it."""
        rows = self._rows(samples)
        if rows is None:
            return None
        name, lane, t, value, live, origin = rows
        begins = np.ones(len(t), bool)
        begins[1:] = (lane[1:] != lane[:-1]) | (t[1:] != t[:-1])
        instant = np.cumsum(begins) - 1
        at = np.flatnonzero(begins)
        lane, when = lane[at], t[at]
        live = np.logical_and.reduceat(live, at)
        joined = _Instants(self, lane, when)
        columns = {}
        for n, word in enumerate(self.names):
            mine = name == n
            columns[word] = joined.as_of(n, instant[mine], value[mine], origin[mine])
        for word, constant in self.params.items():
            columns[word] = constant[lane]
        y = evaluate(self.expression.root, columns, joined)
        self.last_t[lane[joined.last]] = when[joined.last]
        return _without_unknown(self.base + lane, when, y, live)

    def about(self) -> dict[str, Any]:
        """Return what is no array."""
        return {
            "text": self.expression.text,
            "subject_kind": int(self.subject_kind),
            "base": self.base,
            "params": sorted(self.params),
        }

    def snapshot(self) -> State:
        """Return copies of all arrays."""
        state = {name: getattr(self, name).copy() for name in (*_STATE, "subject", "inputs")}
        state["max_age"] = np.where(self.max_age == _NEVER, 0, self.max_age)
        return state | {f"param {name}": value.copy() for name, value in self.params.items()}

    @classmethod
    def restored(cls, about: Mapping[str, Any], state: State) -> Condition:
        """Return the condition whose snapshot this is."""
        params = {name: cast("Floats", state[f"param {name}"].copy()) for name in about["params"]}
        names = [n for n in compile_expression(about["text"], _METHODS).names if n not in params]
        arrays = cast("Mapping[str, NDArray[Any]]", state)
        condition = cls(
            about["text"],
            subject_kind=about["subject_kind"],
            subject=arrays["subject"].copy(),
            inputs={name: arrays["inputs"][n] for n, name in enumerate(names)},
            max_age={name: arrays["max_age"][n] for n, name in enumerate(names)},
            params=params,
            base=about["base"],
        )
        for name in _STATE:
            setattr(condition, name, arrays[name].copy())
        return condition

    def carry(self, old: Condition) -> None:
        """Take over what the same expression remembers of the same subjects."""
        same = old.expression.text == self.expression.text and old.subject_kind == self.subject_kind
        if not same or old.names != self.names:
            return
        zero = np.zeros(1, np.int32)
        at = find(pack(self.subject, zero), pack(old.subject, zero))
        here = np.flatnonzero(at >= 0)
        for name in _STATE:
            getattr(self, name)[..., here] = getattr(old, name)[..., at[here]]

    def _index(self) -> None:
        """Sort inputs by channel, to find what a channel is to whom."""
        order = np.argsort(self.inputs, axis=None, kind="stable")
        order = order[np.searchsorted(self.inputs.reshape(-1)[order], 0) :]
        self._channel = self.inputs.reshape(-1)[order]
        self._name, self._lane = np.divmod(order, max(len(self), 1))

    def _rows(self, samples: Samples) -> tuple[NDArray[Any], ...] | None:
        """Return (name, lane, instant, value, live, own time) of every sample for every subject that reads it."""
        first = np.searchsorted(self._channel, samples.channel, side="left")
        readers = np.searchsorted(self._channel, samples.channel, side="right") - first
        if not readers.any():
            return None
        entry = np.repeat(first - (np.cumsum(readers) - readers), readers) + np.arange(int(readers.sum()))
        count = np.repeat(samples.count, readers)
        start = np.repeat(np.cumsum(samples.count) - samples.count, readers)
        place = np.repeat(start - (np.cumsum(count) - count), count) + np.arange(int(count.sum()))
        name, lane = np.repeat(self._name[entry], count), np.repeat(self._lane[entry], count)
        origin = samples.t[place]
        t = np.maximum(origin, self.last_t[lane])
        order = np.lexsort((t, lane))
        columns = (name, lane, t, samples.value[place], samples.live[place], origin)
        return tuple(column[order] for column in columns)


class _Instants:
    """The instants of a batch: lane intp[N], t int64[N], ordered by both."""

    def __init__(self, condition: Condition, lane: NDArray[np.intp], t: NDArray[np.int64]) -> None:
        self.condition, self.lane, self.t = condition, lane, t
        begins = np.ones(len(lane), bool)
        begins[1:] = lane[1:] != lane[:-1]
        self.first = np.flatnonzero(begins)
        self.last = np.append(self.first[1:], len(lane)) - 1
        self.begins = begins

    def as_of(self, name: int, instant: NDArray[np.intp], value: Floats, origin: NDArray[np.int64]) -> Floats:
        """Return a signal's value at every instant, and keep the newest."""
        held, held_t = self.condition.held[name], self.condition.held_t[name]
        owner = self.lane[self.first]
        x, t = np.empty(len(self.t)), np.zeros(len(self.t), np.int64)
        written = self.begins.copy()
        x[self.first], t[self.first] = held[owner], held_t[owner]
        x[instant], t[instant], written[instant] = value, origin, True
        x, t = fill(x, written), fill(t, written)
        held[owner], held_t[owner] = x[self.last], t[self.last]
        return np.where(self.t - t > self.condition.max_age[name][self.lane], np.nan, x)

    def remember(self, memory: int, condition: Floats, exact: bool) -> Floats:
        """Return for how many seconds a condition has been true; see `evaluation.Memory`."""
        of = self.condition
        owner = self.lane[self.first]
        before = shift(condition, self.first, of.was[memory][owner])
        begins = (condition == 1) & (before != 1)
        began, seen = np.where(begins, self.t, 0), before == 0
        goes_on = self.first[~begins[self.first]]
        began[goes_on], seen[goes_on] = (
            of.began[memory][self.lane[goes_on]],
            of.began_seen[memory][self.lane[goes_on]],
        )
        written = begins | self.begins
        began, seen = fill(began, written), fill(seen, written)
        of.was[memory][owner], of.began[memory][owner] = condition[self.last], began[self.last]
        of.began_seen[memory][owner] = seen[self.last]
        known = (condition == 1) & (seen if exact else True)
        return np.where(known, (self.t - began) / 1e9, np.nan)

    def learn(self, memory: int, of: Sequence[Floats], wanted_s: Floats) -> Floats:
        """Return the mean of a value over its first seconds of use; see `evaluation.Memory`."""
        owner, first = self.lane[self.first], self.first
        state = self.condition.learned[memory]
        before = [shift(column, first, state[2 + n][owner]) for n, column in enumerate(of)]
        t_before = shift(self.t, first, self.condition.last_t[owner])
        restarts = (of[2] == 1) & (before[2] != 1)
        counts = (before[1] == 1) & ~np.isnan(before[0]) & (t_before > 0) & ~restarts
        dt = np.where(counts, (self.t - t_before) / 1e9, 0.0)
        goes_on = (~restarts).astype(np.float64)
        used = recur(goes_on, dt, first, state[1][owner])
        # What was used before a reading is learned until there is enough.
        dt = np.where(used - dt < wanted_s, dt, 0.0)
        seconds = recur(goes_on, dt, first, state[1][owner])
        area = recur(goes_on, np.where(dt > 0, before[0], 0.0) * dt, first, state[0][owner])
        for n, column in enumerate((area, seconds, *of)):
            state[n][owner] = column[self.last]
        mean: Floats = np.divide(area, seconds, out=np.full(len(area), np.nan), where=seconds >= wanted_s)
        return mean


def _without_unknown(
    channel: NDArray[np.intp], t: NDArray[np.int64], y: Floats, live: NDArray[np.bool_]
) -> Samples | None:
    known = ~np.isnan(y)
    if not known.any():
        return None
    which, count = np.unique(channel[known], return_counts=True)
    return Samples(which, count, t[known], y[known], live[known])
