"""Limits: how many notes a provider takes; token buckets, pure (`now` is an argument).

In any window of 60 s no more than `per_minute` notes leave: a bucket holds a burst of a third of them and is
refilled with the other two thirds per minute.  A share of the bucket is reserved for red: others wait before
it is touched.  So red finds tokens even in a storm, and gets every new one until the reserve is full again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.levels import Level
from core.time import MINUTE

_ROUNDING = 1e-6  # of a token: what waits exactly long enough may go
# Who waits is looked at again after this at the latest, however many wait before.
_LONGEST_QUEUE = MINUTE


@dataclass(frozen=True, slots=True)
class Budget:
    """per_minute >= 1 notes in any minute; reserve: share of the burst that only red may use."""

    per_minute: int
    reserve: float = 0.3

    @property
    def burst(self) -> float:
        return max(1.0, self.per_minute / 3)

    @property
    def per_ns(self) -> float:
        return max(self.per_minute - self.burst, 1.0) / MINUTE


@dataclass(frozen=True, slots=True)
class Bucket:
    """Tokens at a time; not before `blocked` (ns) at all, because the provider said so."""

    tokens: float
    t: int
    blocked: int = 0


def take(bucket: Bucket, budget: Budget, *, level: Level, now: int) -> tuple[Bucket, int]:
    """Return the bucket and 0 when a note may leave now, else the ns to wait; nothing is taken then."""
    filled = replace(bucket, tokens=_filled(bucket, budget, now), t=max(now, bucket.t))
    needed = 1.0 if level == Level.RED else 1.0 + budget.reserve * max(budget.burst - 1.0, 0.0)
    missing = needed - filled.tokens
    wait = max(0, round(missing / budget.per_ns)) if missing > _ROUNDING else 0
    wait = max(wait, bucket.blocked - now)
    if wait > 0:
        return filled, wait
    return replace(filled, tokens=filled.tokens - 1.0), 0


def _filled(bucket: Bucket, budget: Budget, now: int) -> float:
    return min(budget.burst, bucket.tokens + max(0, now - bucket.t) * budget.per_ns)


class Limits:
    """The buckets of one process by name; a full one is the same as none, so they are forgotten.

    Those who wait for one bucket are sent away for times that lie as far apart as its tokens: a thousand that
    came back together would find one token, and keep the outbox busy with themselves.
    """

    def __init__(self, keep: int = 10_000) -> None:
        self._buckets: dict[str, Bucket] = {}
        self._promised: dict[str, int] = {}
        self._keep = keep

    def take(self, name: str, budget: Budget, *, level: Level, now: int) -> int:
        """Take a token for a note and return 0, or return the ns to wait."""
        return self.take_all([(name, budget)], level=level, now=now)

    def take_all(self, wanted: Sequence[tuple[str, Budget]], *, level: Level, now: int) -> int:
        """Take a token from every bucket and return 0, or from none and return the ns to wait."""
        taken: dict[str, Bucket] = {}
        longest = 0
        for name, budget in wanted:
            bucket = self._buckets.get(name) or Bucket(budget.burst, now)
            taken[name], wait = take(bucket, budget, level=level, now=now)
            if wait:
                longest = max(longest, wait if level == Level.RED else self._queue(name, budget, now, wait))
        if longest:
            return longest
        for name, bucket in taken.items():
            self._buckets.pop(name, None)
            self._buckets[name] = bucket
            self._forget()
        return 0

    def block(self, name: str, until: int) -> None:
        """Let nothing leave before `until`, ns: the provider asked for it."""
        bucket = self._buckets.get(name) or Bucket(0.0, until)
        self._buckets[name] = replace(bucket, blocked=max(bucket.blocked, until))

    def _queue(self, name: str, budget: Budget, now: int, wait: int) -> int:
        """Return the wait behind all who were sent away before."""
        behind = self._promised.get(name, 0) + round(1 / budget.per_ns)
        at = min(max(now + wait, behind), now + wait + _LONGEST_QUEUE)
        self._promised[name] = at
        return at - now

    def _forget(self) -> None:
        if len(self._buckets) > self._keep:
            name = next(iter(self._buckets))
            del self._buckets[name]
            self._promised.pop(name, None)
