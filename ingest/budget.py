"""Budget: how much of our time one gateway may take; a bucket per gateway, looked at before anything is decoded.

One noisy gateway must not make the others wait.  What is over the budget costs us the look at its topic: it is
counted, acknowledged, and of each batch the first message is kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.reject import Reason, Reject
from core.time import SECOND
from ingest.columns import KEPT_BYTES, Message
from ingest.feed import Feed
from registry.catalog import Catalog

# A message counts as one, a longer one as one per so many bytes.
UNIT_BYTES = 1024
# Gateways that the registry does not know share one bucket; topics that name no gateway have none.
STRANGERS, UNNAMED = 0, -1
MOST_CACHED = 200_000


class Budgets:
    """The buckets of all gateways.

    per_s : messages per second of a gateway that the registry gives no budget of its own
    burst_s : so many seconds of its budget a gateway may send at once, a backlog for instance
    """

    def __init__(self, feeds: Sequence[Feed], *, per_s: float, burst_s: float) -> None:
        self.per_s, self.burst_s = per_s, burst_s
        self._levels = [(feed, _gateway_level(feed)) for feed in feeds]
        self._catalog: Catalog | None = None
        self._slots: dict[str, int] = {}
        self._rate = np.full(2, float(per_s))
        self._level = np.zeros(2)  # what is in each bucket and has not run out yet
        self._then = 0

    def follow_feeds(self, feeds: Sequence[Feed]) -> None:
        """Go on with other sources."""
        self._levels, self._slots = [(feed, _gateway_level(feed)) for feed in feeds], {}

    def admit(
        self, messages: Sequence[Message], catalog: Catalog, now: int
    ) -> tuple[Sequence[Message], list[Reject]]:
        """Return what may be decoded, in order, and a reject for each gateway that sent too much."""
        if catalog is not self._catalog:
            self._follow(catalog)
        self._level -= self._rate * (max(0, now - self._then) / SECOND)
        np.maximum(self._level, 0, out=self._level)
        self._then = max(self._then, now)
        if not messages:
            return messages, []
        slot = self._slots_of(messages)
        cost = np.array([len(message[1]) for message in messages], np.float64)
        np.maximum(cost * (1 / UNIT_BYTES), 1.0, out=cost)
        level = self._level + np.bincount(slot, cost, len(self._level))
        over = level > self._rate * self.burst_s
        over[UNNAMED] = False
        if not over.any():
            self._level = level
            return messages, []
        return self._sort_out(messages, slot, cost, over)

    def _follow(self, catalog: Catalog) -> None:
        """Take over another registry; what is in the buckets of gateways that stay, stays."""
        gateways = catalog.gateways.values()
        n = (
            max((gateway.id for gateway in gateways), default=0) + 2
        )  # slot 0: strangers, the last one: topics that name nobody
        rate, level = np.full(n, float(self.per_s)), np.zeros(n)
        self._level[UNNAMED] = 0
        kept = min(n, len(self._level))
        level[:kept] = self._level[:kept]
        for gateway in gateways:
            if gateway.messages_per_s:
                rate[gateway.id] = gateway.messages_per_s
        self._catalog, self._rate, self._level, self._slots = catalog, rate, level, {}

    def _slots_of(self, messages: Sequence[Message]) -> NDArray[np.intp]:
        slots = self._slots
        try:
            return np.array([slots[message[0]] for message in messages], np.intp)
        except KeyError:
            return np.array([self._slot(message[0]) for message in messages], np.intp)

    def _slot(self, topic: str) -> int:
        """Return the bucket of a topic: its gateway's, that of strangers, or none."""
        found = self._slots.get(topic)
        if found is None:
            assert self._catalog is not None
            if len(self._slots) >= MOST_CACHED:
                self._slots.clear()
            name = self._name(topic)
            gateway = self._catalog.gateways.get(name) if name is not None else None
            found = len(self._level) - 1 if name is None else gateway.id if gateway else STRANGERS
            self._slots[topic] = found
        return found

    def _name(self, topic: str) -> str | None:
        """Return the gateway that a topic names, None when such topics name none."""
        levels = topic.split("/")
        for feed, place in self._levels:
            if _matches(feed.subscription, levels):
                return levels[place] if 0 <= place < len(levels) else (feed.gateway or None)
        return ""

    def _sort_out(
        self, messages: Sequence[Message], slot: NDArray[np.intp], cost: NDArray[np.float64], over: NDArray[np.bool_]
    ) -> tuple[Sequence[Message], list[Reject]]:  # fmt: skip
        """Take of each gateway what still fits into its bucket; the rest becomes one reject."""
        keep = np.ones(len(messages), np.bool_)
        rejects = []
        for number in np.flatnonzero(over):
            rows = np.flatnonzero(slot == number)
            room = self._rate[number] * self.burst_s - self._level[number]
            too_many = rows[np.cumsum(cost[rows]) > room]
            keep[too_many] = False
            rejects.append(self._reject(messages[int(too_many[0])], int(number), len(too_many)))
        self._level += np.bincount(slot[keep], cost[keep], len(self._level))
        return [messages[row] for row in np.flatnonzero(keep).tolist()], rejects

    def _reject(self, first: Message, slot: int, n: int) -> Reject:
        detail = (
            f"{n} messages beyond {self._rate[slot]:g} a second, of which {self.burst_s:g} s may come at once"
        )
        payload = first.payload[:KEPT_BYTES]
        return Reject(slot, first.topic, payload, first.arrived, Reason.TOO_FAST, detail, n)


def _gateway_level(feed: Feed) -> int:
    """Return which level of a topic names the gateway, -1 = none; of the native format the third does."""
    levels = feed.filter.split("/")
    if "{gateway}" in levels:
        return levels.index("{gateway}")
    return 2 if feed.format == "native" else -1


def _matches(pattern: str, levels: Sequence[str]) -> bool:
    """Return whether a topic matches an MQTT filter."""
    wanted = pattern.split("/")
    for place, want in enumerate(wanted):
        if want == "#":
            return True
        if place >= len(levels) or want not in ("+", levels[place]):
            return False
    return len(levels) == len(wanted)
