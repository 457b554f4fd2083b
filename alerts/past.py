"""Past: what the desk remembers of alerts that have left it, bounded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from alerts.changes import Alert
from core.events import SubjectKind

Key: TypeAlias = tuple[str, SubjectKind, int]


class Past:
    """The newest RAISE of what has left the desk, and ids of closed alerts; the oldest goes when it is full.

    Alerts about plants are kept whole while they may be opened again.  Without all of it nothing is lost but
    precision: a repeated event would be a new one, and what comes again a new alert.
    """

    def __init__(self, limit: int, alerts: Iterable[Alert] = (), *, keep: int = 0, now: int = 0) -> None:
        """Remember `limit` alerts, whole ones for `keep` ns after they were closed."""
        self.limit, self.keep = limit, keep
        self._raises: dict[Key, int] = {}
        self._ids: dict[str, None] = {}
        self._whole: dict[Key, Alert] = {}
        for alert in alerts:
            self.close(alert, now or alert.closed)

    def last_raise(self, key: Key) -> int:
        """Return the event time of the newest RAISE taken, 0 for none."""
        return self._raises.get(key, 0)

    def closed(self, alert: str) -> bool:
        """Return whether an alert of this id is known to be closed."""
        return alert in self._ids

    def again(self, key: Key, now: int) -> Alert | None:
        """Return the closed alert that a raising at `now` opens again, None when it is too long ago."""
        alert = self._whole.get(key)
        return alert if alert and now - alert.closed <= self.keep else None

    def close(self, alert: Alert, now: int) -> None:
        """Remember an alert that leaves the desk."""
        self._raises.pop(alert.key, None)
        self._raises[alert.key] = alert.last_raise
        self._ids[alert.id] = None
        if len(self._raises) > self.limit:
            del self._raises[next(iter(self._raises))]
        if len(self._ids) > self.limit:
            del self._ids[next(iter(self._ids))]
        self._keep(alert, now)

    def _keep(self, alert: Alert, now: int) -> None:
        whole = self._whole
        whole.pop(alert.key, None)
        if not alert.data_quality and self.keep:
            whole[alert.key] = alert
        while whole:
            oldest = next(iter(whole))
            if len(whole) <= self.limit and now - whole[oldest].closed <= self.keep:
                break
            del whole[oldest]

    def reopen(self, alert: Alert) -> None:
        """Forget what is open again: the alert itself carries its newest RAISE."""
        self._raises.pop(alert.key, None)
        self._ids.pop(alert.id, None)
        self._whole.pop(alert.key, None)
