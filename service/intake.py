"""Q-03, Q-08, Q-09: gateways of which much comes that is no reading, from what was refused in the last ten minutes.

    Q-03  readings outside their physical range, or a sensor's code for "no value", at least so many
    Q-08  messages that the sender's own numbering says are missing, at least so many
    Q-09  readings of messages that cannot be taken apart, at least so many and more than this share of all that came

Each clears when ten minutes have passed in which it was not so. Refused messages are in no batch, so no replay raises
this again, and the window begins anew after a restart: then nothing is cleared before a whole one was seen. What was
said stands in the desk's open alerts.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from alerts.desk import Desk
from core.events import Events, Kind
from core.levels import Level
from core.reject import Reason
from core.time import MINUTE, seconds
from ingest.batcher import Delivery
from service.config import Watch
from service.gateway_events import Edge, events_of, present
from service.own_rules import MISSING, OUT_OF_RANGE, UNREADABLE

WINDOW = 10  # minutes
# How often it is judged.
LOOK = seconds(10)
_IMPLAUSIBLE = frozenset({Reason.OUT_OF_RANGE, Reason.SENTINEL})
_UNREADABLE = frozenset({
    Reason.BAD_JSON, Reason.BAD_SHAPE, Reason.NOT_UTF8, Reason.NOT_A_NUMBER, Reason.BAD_TIME, Reason.TOO_LARGE,
    Reason.BAD_CHECKSUM, Reason.BAD_LENGTH, Reason.INCOMPLETE, Reason.UNKNOWN_CODE,
})  # fmt: skip


@dataclass(slots=True)
class _Minute:
    """What came within one minute, per gateway."""

    minute: int
    received: Counter[int] = field(default_factory=Counter)
    implausible: Counter[int] = field(default_factory=Counter)
    unreadable: Counter[int] = field(default_factory=Counter)
    missing: Counter[int] = field(default_factory=Counter)


class Intake:
    """Counts what every gateway sends that is no reading, and says when it is too much.

    missing: per gateway, messages missing since ever; it only grows
    """

    def __init__(self, watch: Watch, missing: Callable[[], Mapping[int, int]] = dict) -> None:
        """Start with nothing seen."""
        self._watch, self._missing = watch, missing
        self._minutes: deque[_Minute] = deque()
        self._known_missing: dict[int, int] = {}
        self._began = self._due = 0

    def step(self, desk: Desk, delivery: Delivery, gateways: Iterable[int]) -> Events:
        """Count a delivery; return what has changed, at most every LOOK. `gateways`: those in service."""
        self._count(delivery)
        if delivery.now < self._due:
            return Events.empty()
        self._due = delivery.now + LOOK
        self._forget(delivery.now)
        watched = delivery.now - self._began >= WINDOW * MINUTE
        known, edges = set(gateways), list[Edge]()
        # Once for the three: there may be a hundred thousand open alerts.
        open_ = present(desk, OUT_OF_RANGE.code, MISSING.code, UNREADABLE.code)
        for rule, found, limit in self._judged():
            edges += _edges(rule, found, limit, open_=open_[rule], known=known, watched=watched)
        return events_of(desk, edges, Level.BLUE, delivery.now)

    def _count(self, delivery: Delivery) -> None:
        minute = delivery.now // MINUTE
        self._began = self._began or delivery.now
        if not self._minutes or self._minutes[-1].minute != minute:
            self._minutes.append(_Minute(minute))
        here = self._minutes[-1]
        here.received.update(delivery.received)
        for reject in delivery.rejects:
            if reject.reason in _IMPLAUSIBLE:
                here.implausible[reject.gateway] += reject.n
            elif reject.reason in _UNREADABLE:
                here.unreadable[reject.gateway] += reject.n
        missing = self._missing()
        if missing != self._known_missing:  # seldom; of thousands of gateways
            here.missing.update(Counter(missing) - Counter(self._known_missing))
            self._known_missing = dict(missing)

    def _forget(self, now: int) -> None:
        while self._minutes[0].minute <= now // MINUTE - WINDOW:
            self._minutes.popleft()

    def _judged(self) -> Iterator[tuple[str, dict[int, float], float]]:
        """Yield (rule, gateway -> what is too much, limit)."""
        watch = self._watch
        for rule, column, least in (
            (OUT_OF_RANGE.code, "implausible", watch.implausible_count),
            (MISSING.code, "missing", watch.missing_count),
        ):
            counted = self._sum(column)
            yield rule, {g: float(n) for g, n in counted.items() if least and n >= least}, float(least)
        received, unreadable = self._sum("received"), self._sum("unreadable")
        share = {
            g: 100.0 * n / max(received[g], n)
            for g, n in unreadable.items()
            if watch.unreadable_count and n >= watch.unreadable_count
        }
        too_much = {g: percent for g, percent in share.items() if percent > watch.unreadable_percent}
        yield UNREADABLE.code, too_much, watch.unreadable_percent

    def _sum(self, column: str) -> Counter[int]:
        total: Counter[int] = Counter()
        for minute in self._minutes:
            total.update(getattr(minute, column))
        return total


def _edges(
    rule: str,
    found: Mapping[int, float],
    limit: float,
    *,
    open_: Mapping[int, bool],
    known: set[int],
    watched: bool,
) -> Iterator[Edge]:
    """Yield what begins, and what ends: seen for a whole window, or of a gateway that is no longer in service."""
    for gateway, value in sorted(found.items()):
        if gateway in known and not open_.get(gateway):
            yield Edge(rule, Kind.RAISE, gateway, value, limit)
    for gateway, there in sorted(open_.items()):
        if there and ((watched and gateway not in found) or gateway not in known):
            yield Edge(rule, Kind.CLEAR, gateway, np.nan, limit)
