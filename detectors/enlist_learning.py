"""Enlist what learns: which series are scored, and which signals of a device are looked at together.

`signal: "*"` of the score means what nothing is known about: series that are sampled, no facts or switches, without a
limit of the registry, and read by no other rule about the plant that the device falls under. Rules about the quality of
data know nothing about the plant. Of a multivariate rule it means the signals of one period, the one that most of the
device's signals have: only those are measured at one instant. A series, and a device, is learned once: the first rule
that asks for it has it, and rules that name a signal come before those that do not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence

import numpy as np

from detectors.anomaly import Watched as Scored
from detectors.methods import LEARNING
from detectors.pca import Devices
from detectors.rulebook import ANY, RuleText
from detectors.watched import Watched, falls_under, limit_of, numbered

Learning = tuple[int, RuleText, Sequence[Watched]]


def scored_of(learning: Iterable[Learning], rules: Sequence[RuleText], limited: Container[int]) -> Scored:
    """Return the series that the rules of method `anomaly` ask for.

    rules    all that there are · limited  series that have a limit of the registry
    """
    mine = [entry for entry in learning if entry[1].method == "anomaly"]
    found: dict[int, tuple[int, int, float]] = {}
    for row, rule, devices in sorted(mine, key=lambda entry: entry[1].signal == ANY):
        (one,) = rule.raises
        for device in devices:
            unknown = (s for s in _unknown(device, rules) if device.series[s] not in limited)
            signals = unknown if rule.signal == ANY else numbered(device, rule.signal)
            for signal in signals:
                entry = row, int(one.level), limit_of(rule, device, one)
                found.setdefault(device.series[signal], entry)
    series = sorted(found)
    return Scored(
        series=np.array(series, np.int32),
        rule=np.array([found[key][0] for key in series], np.int32),
        level=np.array([found[key][1] for key in series], np.uint8),
        threshold=np.array([found[key][2] for key in series], np.float64),
    )


def charts_of(learning: Iterable[Learning]) -> Devices:
    """Return the devices that rules of method `multivariate` ask for; one of fewer than two signals has no chart."""
    found: dict[int, tuple[int, RuleText, Watched, Sequence[int]]] = {}
    for row, rule, subjects in learning:
        for device in subjects if rule.method == "multivariate" else ():
            keys = [device.series[signal] for signal in _together(device)]
            if len(keys) > 1:
                found.setdefault(device.id, (row, rule, device, keys))
    if not found:
        return Devices.none()
    rows = list(found.values())
    signals = np.zeros((len(rows), max(len(keys) for *_, keys in rows)), np.int32)
    for place, (_, _, _, mine) in zip(signals, rows, strict=True):
        place[: len(mine)] = mine
    return Devices(
        device=np.array(list(found), np.int32),
        rule=np.array([row for row, *_ in rows], np.int32),
        level=np.array([int(rule.raises[0].level) for _, rule, _, _ in rows], np.uint8),
        signals=signals,
        threshold=np.array([limit_of(rule, device, rule.raises[0]) for _, rule, device, _ in rows]),
    )


def _sampled(device: Watched) -> Iterator[str]:
    """Yield the signals of a device that have a level, and a period."""
    for signal in sorted(device.series):
        if signal not in device.facts | device.switches and device.period_s.get(signal, 0.0) > 0:
            yield signal


def _unknown(device: Watched, rules: Iterable[RuleText]) -> list[str]:
    """Return the signals of a device that no rule about the plant reads."""
    about = (r for r in rules if not r.quality and r.method not in LEARNING and device.profile in r.of)
    known = {s for r in about if falls_under(r, device) for name in r.signals for s in numbered(device, name)}
    return [signal for signal in _sampled(device) if signal not in known]


def _together(device: Watched) -> list[str]:
    """Return the signals of the period that most signals have; of two such periods, the shorter one."""
    sampled = list(_sampled(device))
    if not sampled:
        return []
    count = Counter(device.period_s[signal] for signal in sampled)
    period_s = min(count, key=lambda period: (-count[period], period))
    return [signal for signal in sampled if device.period_s[signal] == period_s]
