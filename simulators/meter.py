"""A three-phase load meter on the plant's feeder."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from simulators.enterprise import Plant
from simulators.noise import between, drift, gauss
from simulators.shift import DAY_S

# Meters of the town count energy from the first day of 2026 on.
COUNTING_SINCE_DAY = 20_454
PHASES = ("a", "b", "c")
SQRT3 = math.sqrt(3.0)


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter behind current transformers; values are primary values.

    rated_a   current of a phase when the plant works at full load, A
    idle      share of it that flows when nobody works (lights, compressors, standby)
    """

    code: str
    plant: Plant
    rated_a: float
    idle: float

    @classmethod
    def of(cls, code: str, plant: Plant) -> Meter:
        """Return the meter of that code."""
        key = (plant.seed, code)
        return cls(code, plant, between(160, 420, *key, "rated"), between(0.04, 0.09, *key, "idle"))

    def values(self) -> Mapping[str, Callable[[float], float]]:
        """Return signal -> value at a time."""
        phases: dict[str, Callable[[float], float]] = {}
        for number, letter in enumerate(PHASES):
            phases[f"voltage_{letter}"] = lambda t, n=number: self.voltage_v(t, n)  # type: ignore[misc]
            phases[f"current_{letter}"] = lambda t, n=number: self.current_a(t, n)  # type: ignore[misc]
        return {
            **phases,
            "active_power": self.active_power_kw,
            "power_factor": self.power_factor,
            "frequency": self.frequency_hz,
            "active_energy": self.energy_kwh,
            "residual_current": self.residual_ma,
            "cable_temperature": self.cable_c,
        }

    def _key(self, name: str) -> tuple[object, ...]:
        return self.plant.seed, self.code, name

    def _noise(self, t: float, name: str) -> float:
        return gauss(*self._key(name), round(t * 1_000))

    def voltage_v(self, t: float, phase: int) -> float:
        """Return a phase voltage."""
        return self.plant.phase_v(t, phase) + 0.15 * self._noise(t, f"u{phase}")

    def current_a(self, t: float, phase: int) -> float:
        """Return a phase current: base load, production, and single-phase machines that come and go."""
        own = between(0.94, 1.06, *self._key("share"), phase)
        machines = 0.05 * drift(t, 25, *self._key("machines"), phase) if self.plant.load(t) else 0.0
        share = self.idle * (1 + 0.1 * drift(t, 500, *self._key("idle"), phase)) + self.plant.load(t) * (
            0.8 + machines
        )
        return max(0.0, self.rated_a * own * share + 0.1 * self._noise(t, f"i{phase}"))

    def power_factor(self, t: float) -> float:
        """Return the power factor: idle motors pull it down, work pulls it up."""
        return min(0.99, 0.74 + 0.18 * self.plant.load(t) + 0.015 * drift(t, 200, *self._key("pf")))

    def active_power_kw(self, t: float) -> float:
        """Return the active power that goes with the phases shown at that time."""
        apparent = sum(self.voltage_v(t, phase) * self.current_a(t, phase) for phase in range(3))
        return apparent * self.power_factor(t) / 1_000

    def frequency_hz(self, t: float) -> float:
        """Return the grid's frequency; the same for the whole town."""
        return 50.0 + 0.03 * drift(t, 30, "grid") + 0.01 * drift(t, 7, "grid", 2)

    def energy_kwh(self, t: float) -> float:
        """Return the counter: idle power always, mean working power at work; in steps of 0.01 kWh."""
        kw_full = 3 * 0.228 * self.rated_a
        idle_h = (t - COUNTING_SINCE_DAY * DAY_S) / 3_600
        work_h = self.plant.shifts.total_s(t, COUNTING_SINCE_DAY) / 3_600
        return math.floor((idle_h * kw_full * self.idle * 0.75 + work_h * kw_full * 0.64 * 0.88) * 100) / 100

    def residual_ma(self, t: float) -> float:
        """Return the residual current: what long cables and filters leak, more while machines run."""
        natural = between(45, 95, *self._key("leak"))
        busy = 25.0 * self.plant.load(t)
        return natural + busy + 6.0 * drift(t, 600, *self._key("leak")) + 1.5 * self._noise(t, "leak")

    def cable_c(self, t: float) -> float:
        """Return the temperature of the incoming cable's lug."""
        rise = between(14, 22, *self._key("lug"))
        return self.plant.ambient_c(t) + rise * self.plant.shifts.lagged(t, 900) + 0.1 * self._noise(t, "lug")
