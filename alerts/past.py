"""Past: what the desk remembers of alerts that have left it, bounded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from alerts.changes import Alert
from core.events import SubjectKind

Key: TypeAlias = tuple[str, SubjectKind, int]


class Past:
    """The newest RAISE of what has left the desk, and ids of closed alerts; the oldest goes when it is full.

    It only makes repeated events identities and refusals precise: without it nothing is lost.
    """

    def __init__(self, limit: int, alerts: Iterable[Alert] = ()) -> None:
        self.limit = limit
        self._raises: dict[Key, int] = {}
        self._ids: dict[str, None] = {}
        for alert in alerts:
            self.close(alert)

    def last_raise(self, key: Key) -> int:
        """Return the event time of the newest RAISE taken, 0 for none."""
        return self._raises.get(key, 0)

    def closed(self, alert: str) -> bool:
        """Return whether an alert of this id is known to be closed."""
        return alert in self._ids

    def close(self, alert: Alert) -> None:
        """Remember an alert that leaves the desk."""
        self._raises.pop(alert.key, None)
        self._raises[alert.key] = alert.last_raise
        self._ids[alert.id] = None
        if len(self._raises) > self.limit:
            del self._raises[next(iter(self._raises))]
        if len(self._ids) > self.limit:
            del self._ids[next(iter(self._ids))]

    def reopen(self, key: Key) -> None:
        """Forget what is open again: the alert itself carries its newest RAISE."""
        self._raises.pop(key, None)
