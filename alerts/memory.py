"""Memory: what a desk starts from; the store keeps all of it, so that a restart changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from alerts.changes import Alert, Held, Shelf


@dataclass(frozen=True, slots=True)
class Memory:
    """What the last desk had in mind.

    alerts    open ones, and closed ones of the recent past
    held      notes that wait, in the order in which they were wanted
    shelves   those in force and those to come
    heard     (recipient, ns) of every alarm of the last flood window, in order of time
    """

    alerts: tuple[Alert, ...] = ()
    held: tuple[Held, ...] = ()
    shelves: tuple[Shelf, ...] = ()
    heard: tuple[tuple[str, int], ...] = ()
