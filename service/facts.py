"""Facts are series: what orders, permits and calendars say becomes samples, stored and replayed like readings.

The worker owns them: at each delivery it adds a sample for every fact that has changed since the last one.  Their time
is the instant of the change, or `now` for what was entered, or seen, too late for that: what nobody knew then judges
from now on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.batch import Batch
from core.time import SECOND
from detectors.rulebook import RuleText
from ingest.batcher import Delivery
from registry import signals
from registry.catalog import Catalog
from registry.facts import FOREVER, Fact

# A change that is seen later than this after it happened was not watched: a stop, a lost broker, a late entry.
_PROMPT = 5 * SECOND
_LOOK = 12 * 3600 * SECOND
State = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class _Series:
    key: int
    facts: tuple[Fact, ...]
    zone: str

    def at(self, now: int) -> tuple[float, int, int]:
        """Return what it says at `now`, since when at least, and until when at least."""
        spans = [span for fact in self.facts for span in fact.spans(now, self.zone)]
        edges = [edge for span in spans for edge in span]
        value = float(any(begin <= now < end for begin, end in spans))
        since = max((edge for edge in edges if edge <= now), default=0)
        return value, since, min((edge for edge in edges if edge > now), default=FOREVER)


class FactSeries:
    """Remembers what each series of a fact said last; `join` adds what is new."""

    def __init__(self, catalog: Catalog) -> None:
        self._said: dict[int, tuple[int, float]] = {}
        self.take(catalog)

    def take(self, catalog: Catalog) -> None:
        """Go on under another registry."""
        kinds = signals.facts()
        self._keys = np.array([key for key, name in enumerate(catalog.signal) if name in kinds], np.int32)
        self._series = list(_series_of(catalog))
        self._due = 0

    def observe(self, batch: Batch) -> None:
        """Note what a batch of the log says; in order."""
        if not len(self._keys) or not len(batch):
            return
        mine = batch.take(np.isin(batch.series, self._keys))
        for key, t, value in zip(mine.series.tolist(), mine.t.tolist(), mine.value.tolist(), strict=True):
            self._said[key] = t, value

    def join(self, delivery: Delivery) -> Delivery:
        """Return the delivery with the samples of facts that have changed; nothing is said while we are blind."""
        if not delivery.connected or delivery.now < self._due:
            return delivery
        rows = list(self._changes(delivery.now))
        if not rows:
            return delivery
        batch = delivery.batch
        added = Batch.of(*(np.array(column) for column in zip(*rows, strict=True)))
        self.observe(added)
        parts = [
            np.concatenate([getattr(one, name) for one in (batch, added)])
            for name in ("series", "t", "value", "quality")
        ]
        received = {**delivery.received, 0: delivery.received.get(0, 0) + len(rows)}
        return replace(delivery, batch=Batch.of(*parts), received=received)

    def _changes(self, now: int) -> Iterable[tuple[int, int, float]]:
        now = now // 1000 * 1000
        self._due = now + _LOOK
        for one in self._series:
            value, since, until = one.at(now)
            self._due = min(self._due, until)
            t, said = self._said.get(one.key, (0, -1.0))
            if value != said:
                yield one.key, max(since if now - since <= _PROMPT else now, t + 1000), value

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Return what was said last."""
        rows = sorted(self._said.items())
        return {
            "series": np.array([key for key, _ in rows], np.int32),
            "t": np.array([t for _, (t, _) in rows], np.int64),
            "value": np.array([value for _, (_, value) in rows], np.float64),
        }

    def restore(self, state: State) -> None:
        """Become what `snapshot` saw; a checkpoint of an older version has nothing."""
        columns = [state[name].tolist() for name in ("series", "t", "value")] if state else [[], [], []]
        self._said = {key: (t, value) for key, t, value in zip(*columns, strict=True)}


def _series_of(catalog: Catalog) -> Iterable[_Series]:
    for (gateway, _), device in sorted(catalog.devices.items()):
        for kind, key in sorted(device.facts.items()):
            kin = (fact for fact in catalog.facts if fact.kind == kind)
            mine = tuple(fact for fact in kin if covers(fact, device.id, device.enterprise))
            yield _Series(key, mine, catalog.gateways[gateway].zone)


def covers(fact: Fact, device: int, enterprise: int) -> bool:
    """Return whether a fact is about a device."""
    return fact.device == device if fact.device else fact.enterprise == enterprise


def missing(catalog: Catalog, rules: Sequence[RuleText]) -> set[tuple[int, str]]:
    """Return (device, kind) of series that rules need and that are not there yet.

    A rule that reads several kinds gets all of them once one is entered: what nobody entered does not hold, while a
    signal without a series would be unknown.
    """
    devices = list(catalog.devices.values())
    found: set[tuple[int, str]] = set()
    for rule in rules:
        kinds = signals.facts().intersection(rule.signals)
        entered = [fact for fact in catalog.facts if fact.kind in kinds]
        for device in devices if entered else ():
            if device.profile in rule.of and any(covers(f, device.id, device.enterprise) for f in entered):
                found |= {(device.id, kind) for kind in kinds if kind not in device.facts}
    return found
