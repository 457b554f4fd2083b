"""Watched: a device as rules see it, and its own numbers where it has some."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from detectors.rulebook import Raise, RuleText


@dataclass(frozen=True, slots=True)
class Watched:
    """A device that rules may be about.

    series    signal -> primary key of the series; a numbered signal (`bearing_temperature_2`) falls under its base
    period_s  signal -> how often a sample is expected, 0 = on change
    overrides "D-06.upper" or, of a limit that has no name, "D-01.orange" -> the value for this device
    facts     those of its signals that are facts: they hold until the next sample, whatever a rule says
    switches  those that are only ever 0 or 1
    """

    id: int
    profile: str
    series: Mapping[str, int]
    period_s: Mapping[str, float] = field(default_factory=dict)
    overrides: Mapping[str, float] = field(default_factory=dict)
    facts: frozenset[str] = frozenset()
    switches: frozenset[str] = frozenset()


def falls_under(rule: RuleText, device: Watched) -> bool:
    """Return whether a rule is in force for a device of its profiles, and the device says what has no default."""
    if not device.overrides.get(f"{rule.code}.on", rule.on):
        return False
    return not any(math.isnan(number(rule, device, name)) for name in rule.parameters)


def number(rule: RuleText, device: Watched, value: float | str) -> float:
    """Return a number of a rule for a device: the number itself, or its parameter's value there."""
    if isinstance(value, str):
        return device.overrides.get(f"{rule.code}.{value}", rule.parameters[value])
    return value


def numbered(device: Watched, signal: str) -> tuple[str, ...]:
    """Return a signal and those of its name with a number, as far as the device has them."""
    wanted = re.compile(re.escape(signal) + r"(_[1-9]\d?)?")
    return tuple(sorted(s for s in device.series if wanted.fullmatch(s)))


def limit_of(rule: RuleText, device: Watched, entry: Raise) -> float:
    """Return a limit for a device: its parameter there, or the device's own number for this level."""
    if isinstance(entry.limit, str):
        return number(rule, device, entry.limit)
    name = rule.limit_name(entry)
    return device.overrides.get(f"{rule.code}.{name}", entry.limit) if name in rule.numbers else entry.limit
