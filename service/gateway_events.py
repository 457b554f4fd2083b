"""Events about gateways that no reading decided: what the service notices of their clocks and of what they send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from alerts.desk import Desk
from core.events import Events, Kind, SubjectKind
from core.levels import Level


@dataclass(frozen=True, slots=True)
class Edge:
    """What changed: value, NaN where nobody knows, and the limit that it was held against."""

    rule: str
    kind: Kind
    gateway: int
    value: float
    limit: float


def present(desk: Desk, *rules: str) -> Mapping[str, Mapping[int, bool]]:
    """Return, for each rule, gateways with an open alert and whether its cause was there when last looked at.

    The open alerts outlive a restart, so whoever looks here needs no memory of what was said.
    """
    found: dict[str, dict[int, bool]] = {rule: {} for rule in rules}
    for alert in desk.open_alerts():
        if alert.rule in found:
            found[alert.rule][alert.subject] = bool(alert.level_now)
    return found


def events_of(desk: Desk, edges: Sequence[Edge], level: Level, now: int) -> Events:
    """Return edges of one level as events, at `now` in whole microseconds."""
    if not edges:
        return Events.empty()
    n, t = len(edges), np.full(len(edges), now // 1000 * 1000, np.int64)
    row = {rule.code: row for row, rule in enumerate(desk.rules)}
    events = Events(
        rule=np.array([row[edge.rule] for edge in edges], np.int32),
        kind=np.array([edge.kind for edge in edges], np.uint8),
        level=np.full(n, level, np.uint8),
        subject_kind=np.full(n, SubjectKind.GATEWAY, np.uint8),
        subject=np.array([edge.gateway for edge in edges], np.int32),
        series=np.zeros(n, np.int32),
        t=t,
        since=t,
        value=np.array([edge.value for edge in edges], np.float64),
        limit=np.array([edge.limit for edge in edges], np.float64),
        historical=np.zeros(n, np.bool_),
    )
    return Events.concat([events])
