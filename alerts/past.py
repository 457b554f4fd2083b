"""Past: what the desk remembers of alerts that have left it, bounded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from alerts.changes import Alert
from core.events import SubjectKind

Key: TypeAlias = tuple[str, SubjectKind, int]


class Past:
    """The newest edges of what is not open, and the ids of closed alerts; the oldest goes when it is full.

    It only makes repeated edges identities and refusals precise: without it nothing is lost.
    """

    def __init__(self, limit: int, alerts: Iterable[Alert] = ()) -> None:
        self.limit = limit
        self._edges: dict[Key, tuple[int, int]] = {}
        self._ids: dict[str, None] = {}
        for alert in alerts:
            self.close(alert)

    def edges(self, key: Key) -> tuple[int, int]:
        """Return the event times of the newest RAISE and CLEAR taken, 0 for none."""
        return self._edges.get(key, (0, 0))

    def closed(self, alert: str) -> bool:
        return alert in self._ids

    def close(self, alert: Alert) -> None:
        """Remember an alert that leaves the desk."""
        self._put(alert.key, (alert.last_raise, alert.last_clear))
        self._ids[alert.id] = None
        if len(self._ids) > self.limit:
            del self._ids[next(iter(self._ids))]

    def clear(self, key: Key, t: int) -> None:
        """Remember a CLEAR of something that is not open."""
        last_raise, last_clear = self.edges(key)
        self._put(key, (last_raise, max(last_clear, t)))

    def reopen(self, key: Key) -> None:
        """Forget the edges of what is open again: the alert carries them now."""
        self._edges.pop(key, None)

    def _put(self, key: Key, edges: tuple[int, int]) -> None:
        self._edges.pop(key, None)
        self._edges[key] = edges
        if len(self._edges) > self.limit:
            del self._edges[next(iter(self._edges))]
