"""The catalogue of signals: what can be measured, in which unit and physical range.  No Django here."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_NUMBERED = re.compile(r"(?P<base>.+)_(?P<number>[1-9]\d?)")
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class Signal:
    """One kind of reading.

    low, high : float   a reading outside is a fault of the sensor, not a fact; in `unit`
    period_s : float    how often a reading is expected; 0 = on change
    fact : bool         a person enters it (registry/facts.py); no gateway may send it
    """

    name: str
    zh: str
    en: str
    unit: str
    low: float
    high: float
    period_s: float
    fact: bool = False


@cache
def catalogue() -> Mapping[str, Signal]:
    """Return all signals of signals.toml by name."""
    table = tomllib.loads(files("registry").joinpath("signals.toml").read_text("utf-8"))
    return {
        name: Signal(
            name=name,
            zh=row["zh"],
            en=row["en"],
            unit=row["unit"],
            low=float(row["low"]),
            high=float(row["high"]),
            period_s=float(row["period_s"]),
            fact=row.get("fact", False),
        )
        for name, row in table.items()
    }


@cache
def facts() -> frozenset[str]:
    """Return the names of the signals that are facts."""
    return frozenset(name for name, signal in catalogue().items() if signal.fact)


@cache
def find(name: str) -> Signal | None:
    """Return the signal, also of a numbered name (`cable_temperature_2`, "线缆温度2"); None if unknown."""
    known = catalogue().get(name)
    match = _NUMBERED.fullmatch(name)
    if known is not None or match is None:
        return known
    base, number = catalogue().get(match["base"]), match["number"]
    if base is None:
        return None
    return Signal(
        name=name,
        zh=f"{base.zh}{number}",
        en=f"{base.en} {number}",
        unit=base.unit,
        low=base.low,
        high=base.high,
        period_s=base.period_s,
    )
