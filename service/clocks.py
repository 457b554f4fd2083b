"""Q-06: gateways whose clock is wrong, from how old their readings are when they arrive (ingest/skew.py).

Ages are of arrival and not of event time, so no detector of the bank can know them, and no replay raises this again.
What was said stands in the desk's open alerts, which outlive a restart: nothing else is kept here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from alerts.desk import Desk
from core.events import Events, Kind
from core.levels import Level
from core.time import SECOND, seconds
from ingest.skew import Estimates
from registry.catalog import Catalog
from service.config import Watch
from service.gateway_events import Edge, events_of, present
from service.own_rules import CLOCK_WRONG

# How often the clocks are looked at: an age is kept only once each 10 s.
LOOK = seconds(10)


class Clocks:
    """Raises and clears Q-06, once per gateway; `n_wrong` is how many are wrong now."""

    def __init__(self, estimates: Callable[[], Estimates], watch: Watch) -> None:
        self._estimates, self._watch = estimates, watch
        self._due = 0
        self._catalog: Catalog | None = None
        self._slack: dict[int, float] = {}
        self.n_wrong = 0

    def step(self, desk: Desk, catalog: Catalog, now: int) -> Events:
        """Return what has changed since the open alerts were raised, at most every LOOK."""
        if not self._watch.clock_skew_s or now < self._due:
            return Events.empty()
        self._due = now + LOOK
        if catalog is not self._catalog:
            self._catalog, self._slack = catalog, fastest_s(catalog)
        found = self._estimates()
        skew = dict(zip(found.gateway.tolist(), found.skew_s.tolist(), strict=True))
        open_ = present(desk, CLOCK_WRONG.code)[CLOCK_WRONG.code]
        self.n_wrong = sum(self._beyond(gateway, s, self._watch.clock_skew_s) for gateway, s in skew.items())
        limit_s = self._watch.clock_skew_s
        edges = [
            Edge(CLOCK_WRONG.code, kind, gateway, s, limit_s)
            for kind, gateway, s in self._changes(skew, open_)
        ]
        return events_of(desk, edges, Level.YELLOW, now)

    def _changes(
        self, skew: Mapping[int, float], open_: Mapping[int, bool]
    ) -> Iterator[tuple[Kind, int, float]]:
        """Yield (kind, gateway, s); a gateway that is not heard steadily, or at all, stays as it is."""
        watch = self._watch
        for gateway, s in skew.items():
            if (
                gateway in self._slack
                and self._beyond(gateway, s, watch.clock_skew_s)
                and not open_.get(gateway)
            ):
                yield Kind.RAISE, gateway, s
        for gateway, there in open_.items():
            back = gateway in skew and not self._beyond(
                gateway, skew[gateway], watch.clock_skew_s - watch.clock_deadband_s
            )
            if there and (back or gateway not in self._slack):
                yield Kind.CLEAR, gateway, skew.get(gateway, np.nan)

    def _beyond(self, gateway: int, s: float, limit_s: float) -> bool:
        """Whether a clock is wrong by more than this; who sends once a period may look one behind."""
        return s < -limit_s or s > limit_s + self._slack.get(gateway, 0.0)


def fastest_s(catalog: Catalog) -> dict[int, float]:
    """Return the shortest period of each gateway that is in service, s; 0 where no series has one."""
    found = {gateway.id: 0.0 for gateway in catalog.gateways.values()}
    for key in np.flatnonzero(catalog.active & (catalog.period > 0)).tolist():
        gateway, period_s = int(catalog.gateway[key]), float(catalog.period[key]) / SECOND
        if gateway in found:
            found[gateway] = min(found[gateway] or period_s, period_s)
    return found
