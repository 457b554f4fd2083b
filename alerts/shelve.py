"""Shelve: alerts that people have set aside for a time; pure.

A shelf stands over one alert's rule and subject, a maintenance window over a device, a gateway or an enterprise
and all that lies in it.  Both end by themselves: whoever shelves says until when, and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from alerts.changes import Alert, Command, CommandKind, Shelf
from alerts.handling import Refused, time_of
from alerts.lineage import Lineage
from alerts.policy import Policy
from alerts.state import Suppression
from core.events import SubjectKind
from core.time import seconds

_SCOPES = {
    "device": SubjectKind.DEVICE,
    "gateway": SubjectKind.GATEWAY,
    "enterprise": SubjectKind.ENTERPRISE,
}


def shelf_of(
    command: Command, detail: Mapping[str, Any], alert: Alert | None, now: int, policy: Policy
) -> Shelf:
    """Return the shelf that a command asks for.  Raises Refused without an end or a reason, or when it is too long."""
    reason = command.note.strip()
    if not reason:
        raise Refused("必须填写搁置理由 / shelving needs a reason")
    begin = time_of(detail, "from") if "from" in detail else command.asked
    until = time_of(detail, "until")
    longest = policy.hold.shelve_max_s
    if until <= max(begin, now):
        raise Refused("结束时间已过 / it would end before it begins")
    if until - begin > seconds(longest):
        raise Refused(f"最长 {longest / 3600:g} 小时 / at most {longest / 3600:g} hours")
    if command.kind == CommandKind.SHELVE:
        assert alert is not None
        kind, rule, place = Suppression.SHELVED, alert.rule, (alert.subject_kind, alert.subject)
        enterprise = alert.enterprise
    else:
        kind, rule, place = Suppression.OUT_OF_SERVICE, "", _place(detail)
        enterprise = 0
    name = f"{command.id}|{command.asked}|{kind}|{rule}|{place[0]:d}|{place[1]}|{begin}|{until}"
    return Shelf(
        id=f"S{blake2b(name.encode(), digest_size=6).hexdigest().upper()}",
        kind=kind, rule=rule, subject_kind=place[0], subject=place[1], enterprise=enterprise,
        begin=begin, until=until, reason=reason, by=command.by.strip(), made=now,
    )  # fmt: skip


def _place(detail: Mapping[str, Any]) -> tuple[SubjectKind, int]:
    kind, _, key = str(detail.get("subject", "")).partition(":")
    if kind not in _SCOPES or not key.isdigit():
        raise Refused("维护范围缺失 / subject is missing: device:7, gateway:3 or enterprise:1")
    return _SCOPES[kind], int(key)


class Shelves:
    """Those in force and those to come."""

    def __init__(self, shelves: Iterable[Shelf] = ()) -> None:
        self._all: dict[str, Shelf] = {shelf.id: shelf for shelf in shelves if not shelf.ended}
        self._over: dict[tuple[SubjectKind, int], dict[str, Shelf]] = {}
        for shelf in self._all.values():
            self._place(shelf)

    def __iter__(self) -> Any:
        return iter(tuple(self._all.values()))

    def get(self, id_: str) -> Shelf | None:
        return self._all.get(id_)

    def put(self, shelf: Shelf) -> None:
        """Take a shelf in, or its next state."""
        self.drop(shelf)
        if not shelf.ended:
            self._all[shelf.id] = shelf
            self._place(shelf)

    def drop(self, shelf: Shelf) -> None:
        """Forget a shelf."""
        self._all.pop(shelf.id, None)
        place = shelf.subject_kind, shelf.subject
        if place in self._over:
            self._over[place].pop(shelf.id, None)
            if not self._over[place]:
                del self._over[place]

    def over(self, alert: Alert, lineage: Lineage) -> Shelf | None:
        """Return the shelf in force over an alert that ends last, None without one."""
        if not self._over:
            return None
        found = None
        for place in lineage.of(alert.subject_kind, alert.subject).items():
            for shelf in self._over.get(place, {}).values():
                fits = shelf.begun and shelf.rule in ("", alert.rule)
                if fits and (found is None or shelf.until > found.until):
                    found = shelf
        return found

    def next_due(self, shelf: Shelf) -> int:
        """Return when a shelf begins, or else ends, ns."""
        return shelf.until if shelf.begun else shelf.begin

    def _place(self, shelf: Shelf) -> None:
        self._over.setdefault((shelf.subject_kind, shelf.subject), {})[shelf.id] = shelf


def begun(shelf: Shelf, now: int) -> Shelf:
    """Return the shelf in force."""
    return replace(shelf, begun=now)


def ended(shelf: Shelf, now: int, by: str = "") -> Shelf:
    """Return the shelf that is over."""
    return replace(shelf, begun=shelf.begun or now, ended=now, ended_by=by)
