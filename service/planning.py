"""From the registry to a plan of detection: the join between two folders that must not know each other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.events import Rule
from core.levels import Level
from core.time import SECOND, seconds
from detectors.enlist import with_rules
from detectors.plan import Plan, Silences, Thresholds
from detectors.rulebook import RuleText
from detectors.watched import Watched
from registry.catalog import Catalog
from service.config import Watch
from service.own_rules import BUILT_IN, ENTERPRISE_SILENT, GATEWAY_SILENT, SERIES_SILENT


def plan_of(catalog: Catalog, watch: Watch, rules: Sequence[RuleText] = ()) -> Plan:
    """Return what is to be detected: LIMIT, Q-02, Q-01 in rows 0, 1, 2 of its rules, our others, the packs'."""
    return with_rules(_own(catalog, watch), rules, watched(catalog))


def watched(catalog: Catalog) -> Iterator[Watched]:
    """Yield the devices in service as rules see them."""
    for device in catalog.devices.values():
        yield Watched(
            id=device.id,
            profile=device.profile,
            series={**device.series, **device.facts},
            period_s={signal: float(catalog.period[key]) / SECOND for signal, key in device.series.items()},
            overrides=catalog.parameters.get(device.id, {}),
            facts=frozenset(device.facts),
            switches=frozenset(s for s, key in device.series.items() if _is_switch(catalog, key)),
        )


def _is_switch(catalog: Catalog, key: int) -> bool:
    """Return whether a series can only be 0 or 1: a share is measured in something."""
    span = float(catalog.physical_low[key]), float(catalog.physical_high[key])
    return not catalog.unit[key] and span == (0.0, 1.0)


def _own(catalog: Catalog, watch: Watch) -> Plan:
    rules = tuple(_versioned(rule) for rule in BUILT_IN)
    return Plan(
        rules=rules,
        thresholds=_thresholds(catalog, watch),
        silences=_silences(catalog, watch),
        gateway_silences=_gateway_silences(catalog, watch),
        enterprise_silences=_enterprise_silences(catalog, watch),
        gateway_of=np.where(catalog.active, catalog.gateway, 0).astype(np.int32),
        enterprise_of=_enterprise_of(catalog),
    )


def _versioned(rule: Rule) -> Rule:
    return replace(rule, version=hashlib.sha256(repr(rule).encode()).hexdigest()[:12])


def _thresholds(catalog: Catalog, watch: Watch) -> Thresholds:
    limits = catalog.limits
    keep = catalog.active[limits.series]
    series = limits.series[keep]
    period = catalog.period[series]
    gap = np.maximum(period * watch.gap_periods, seconds(watch.gap_floor_s)).astype(np.int64)
    return Thresholds(
        rule=np.zeros(len(series), np.int32),
        series=series,
        level=limits.level[keep],
        limit=limits.limit[keep],
        high=limits.high[keep],
        deadband=limits.deadband[keep],
        on_delay=limits.on_delay[keep],
        off_delay=limits.off_delay[keep],
        # A series that reports on change has no gaps: its last value stands.
        max_gap=np.where(period > 0, gap, 0),
    )


def _silences(catalog: Catalog, watch: Watch) -> Silences:
    series = np.flatnonzero(catalog.active & (catalog.period > 0)).astype(np.int32)
    allowed = np.maximum(catalog.period[series] * watch.silence_periods, seconds(watch.silence_floor_s))
    mandatory = catalog.mandatory[series] & (watch.silence_worse_s > 0)
    return Silences(
        rule=np.full(len(series), BUILT_IN.index(SERIES_SILENT), np.int32),
        subject=series,
        level=np.where(catalog.mandatory[series], Level.YELLOW, Level.BLUE).astype(np.uint8),
        allowed=allowed.astype(np.int64),
        worse=np.where(mandatory, Level.ORANGE, 0).astype(np.uint8),
        # Of a series that is slow itself not at once.
        worse_after=np.maximum(2 * allowed, seconds(watch.silence_worse_s)).astype(np.int64),
    )


def _gateway_silences(catalog: Catalog, watch: Watch) -> Silences:
    """Watch gateways that have at least one series with a period; others may be rightly silent."""
    watched = catalog.active & (catalog.period > 0)
    gateways = np.unique(catalog.gateway[watched])
    fastest = np.full(int(gateways.max(initial=0)) + 1, np.iinfo(np.int64).max)
    np.minimum.at(fastest, catalog.gateway[watched], catalog.period[watched])
    allowed = np.maximum(fastest[gateways] * watch.silence_periods, seconds(watch.gateway_silence_s))
    return _yellow(GATEWAY_SILENT, gateways, allowed)


def _enterprise_silences(catalog: Catalog, watch: Watch) -> Silences:
    """Watch enterprises that have at least one series with a period."""
    if not watch.enterprise_silence_s:
        return Silences.rows()
    enterprises = np.unique(catalog.enterprise[catalog.active & (catalog.period > 0) & (catalog.gateway > 0)])
    allowed = np.full(len(enterprises), seconds(watch.enterprise_silence_s))
    return _yellow(ENTERPRISE_SILENT, enterprises, allowed)


def _yellow(rule: Rule, subject: NDArray[np.int32], allowed: NDArray[Any]) -> Silences:
    n = len(subject)
    return Silences(
        rule=np.full(n, BUILT_IN.index(rule), np.int32),
        subject=subject.astype(np.int32),
        level=np.full(n, Level.YELLOW, np.uint8),
        allowed=allowed.astype(np.int64),
        worse=np.zeros(n, np.uint8),
        worse_after=np.zeros(n, np.int64),
    )


def _enterprise_of(catalog: Catalog) -> NDArray[np.int32]:
    owner = {gateway.id: gateway.enterprise for gateway in catalog.gateways.values()}
    found = np.zeros(max(owner, default=0) + 1, np.int32)
    found[list(owner)] = list(owner.values())
    return found
