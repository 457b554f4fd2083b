"""Inhibit: alerts that another one explains; pure.

While a source is present (a gateway is offline), its targets (the series behind it are silent) are suppressed
by design: they move, and nobody is told.  Who is inhibited follows from the open alerts alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from alerts.changes import Alert
from alerts.lineage import Lineage
from alerts.policy import Inhibition
from alerts.state import PRESENT
from core.events import SubjectKind

_SAME = {
    "gateway": SubjectKind.GATEWAY,
    "device": SubjectKind.DEVICE,
    "enterprise": SubjectKind.ENTERPRISE,
}


class Inhibitor:
    """Keeps, for every inhibition and every gateway, device or enterprise, its sources and its targets."""

    def __init__(self, inhibitions: tuple[Inhibition, ...], lineage: Lineage) -> None:
        self._inhibitions, self._lineage = inhibitions, lineage
        self._rules: dict[str, bool] = {}
        self._sources: dict[tuple[int, int], set[str]] = {}
        self._targets: dict[tuple[int, int], set[str]] = {}

    def put(self, alert: Alert) -> Iterable[str] | None:
        """Take an alert's next state in; return the ids of open targets for which that may change something.

        None when it is no source that came or went.
        """
        touched: set[str] | None = None
        if not self._concerns(alert.rule):
            return None
        open_ = not alert.closed
        for slot in self._slots(alert, "sources"):
            if _toggle(self._sources, slot, alert.id, there=open_ and alert.state in PRESENT):
                touched = (touched or set()) | self._targets.get(slot, set())
        for slot in self._slots(alert, "targets"):
            _toggle(self._targets, slot, alert.id, there=open_)
        return None if touched is None else sorted(touched - {alert.id})

    def inhibits(self, alert: Alert) -> bool:
        """Return whether a source explains this alert."""
        if not self._concerns(alert.rule):
            return False
        return any(
            alert.level <= self._inhibitions[slot[0]].up_to and self._sources.get(slot, set()) - {alert.id}
            for slot in self._slots(alert, "targets")
        )

    def _concerns(self, rule: str) -> bool:
        if rule not in self._rules:
            self._rules[rule] = any(_any((*one.sources, *one.targets), rule) for one in self._inhibitions)
        return self._rules[rule]

    def _slots(self, alert: Alert, role: str) -> Iterator[tuple[int, int]]:
        for n, inhibition in enumerate(self._inhibitions):
            if _any(getattr(inhibition, role), alert.rule):
                places = self._lineage.of(alert.subject_kind, alert.subject)
                if key := places.get(_SAME[inhibition.same]):
                    yield n, key


def _toggle(sets: dict[tuple[int, int], set[str]], slot: tuple[int, int], id_: str, *, there: bool) -> bool:
    """Put an id into a set or take it out; return whether the set became empty or not empty."""
    members = sets.setdefault(slot, set())
    before = bool(members)
    (members.add if there else members.discard)(id_)
    if not members:
        del sets[slot]
    return before != bool(members)


def _any(globs: tuple[str, ...], rule: str) -> bool:
    return any(fnmatchcase(rule, glob) for glob in globs)
