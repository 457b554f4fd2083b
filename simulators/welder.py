"""A welding machine: arcs of seconds to a minute, pauses between, nothing at night."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from simulators.enterprise import Plant
from simulators.noise import between, chance, drift, gauss

SLOT_S = 75.0  # at most one arc in each
CASE_TAU_S = 1_100.0
SESSION_S = 1_800.0  # a joint or a fixture; then other settings


@dataclass(frozen=True, slots=True)
class Welder:
    """A machine with one welder at it.

    mig      True: wire (U = 14 + 0.05 I), False: sticks (U = 20 + 0.04 I), the load lines of IEC 60974-1
    duty     share of sessions in which somebody welds at all
    """

    code: str
    plant: Plant
    mig: bool
    duty: float

    @classmethod
    def of(cls, code: str, plant: Plant) -> Welder:
        """Return the welder of that code."""
        key = (plant.seed, code)
        return cls(code, plant, chance(*key, "mig") < 0.6, between(0.5, 0.9, *key, "duty"))

    def values(self) -> Mapping[str, Callable[[float], float]]:
        """Return signal -> value at a time."""
        return {
            "welding_current": self.current_a,
            "arc_voltage": self.arc_v,
            "no_load_voltage": self.no_load_v,
            "primary_current": self.primary_a,
            "leakage_current": self.leakage_ma,
            "case_temperature": self.case_c,
            "unlocked": lambda t: float(self.in_session(t)),
        }

    def _key(self, name: str) -> tuple[object, ...]:
        return self.plant.seed, self.code, name

    def in_session(self, t: float) -> bool:
        """Say whether the machine is switched on and somebody works at it."""
        return self.plant.shifts.on(t) and chance(*self._key("session"), int(t // SESSION_S)) < self.duty

    def arc(self, t: float) -> bool:
        """Say whether it welds: one arc per slot, late or early, short or long, some slots without."""
        if not self.in_session(t):
            return False
        slot = int(t // SLOT_S)
        start = slot * SLOT_S + between(0, 25, *self._key("start"), slot)
        length = between(8, 45, *self._key("length"), slot)
        return chance(*self._key("slot"), slot) < 0.8 and start <= t < start + length

    def current_a(self, t: float) -> float:
        """Return the welding current."""
        if not self.arc(t):
            return 0.0
        setting = between(110, 230, *self._key("setting"), int(t // SESSION_S))
        hand = 0.04 if self.mig else 0.07
        return setting * (1 + hand * gauss(*self._key("hand"), round(t * 1_000)))

    def arc_v(self, t: float) -> float:
        """Return the voltage of the arc, on its load line; 0 without an arc."""
        if not self.arc(t):
            return 0.0
        noise = gauss(*self._key("arc"), round(t * 1_000))
        current = self.current_a(t)
        return (14 + 0.05 * current if self.mig else 20 + 0.04 * current) + 0.7 * noise

    def no_load_v(self, t: float) -> float:
        """Return the voltage between arcs; 0 while welding and while switched off."""
        if self.arc(t) or not self.in_session(t):
            return 0.0
        return between(58, 72, *self._key("no-load")) + 0.2 * gauss(*self._key("no-load"), round(t * 1_000))

    def primary_a(self, t: float) -> float:
        """Return the current drawn from the 400 V mains: a fan and a transformer, and the arc's power."""
        if not self.in_session(t):
            return 0.0
        return 0.8 + self.current_a(t) * self.arc_v(t) / (0.82 * 0.85 * math.sqrt(3) * 400)

    def leakage_ma(self, t: float) -> float:
        """Return the leakage to earth."""
        if not self.in_session(t):
            return 0.0
        return (
            3.5 + 2.0 * drift(t, 700, *self._key("leak")) + 0.2 * gauss(*self._key("leak"), round(t * 1_000))
        )

    def case_c(self, t: float) -> float:
        """Return the temperature of the case: each session warms it, each pause lets it cool."""
        warm = 0.0
        for back in range(5):
            start = (t // SESSION_S - back) * SESSION_S
            if self.in_session(start + SESSION_S / 2):
                end = min(t, start + SESSION_S)
                warm += math.exp(-(t - end) / CASE_TAU_S) - math.exp(-(t - start) / CASE_TAU_S)
        noise = 0.1 * gauss(*self._key("case"), round(t * 1_000))
        return self.plant.ambient_c(t) + 18.0 * warm + noise
