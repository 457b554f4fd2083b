"""Dust collectors: a dry one with bags and pulse cleaning, a wet one with a tank and a pump."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from simulators.enterprise import Plant
from simulators.noise import between, chance, drift, gauss
from simulators.shift import DAY_S, local_day

FAN_RUN_UP_S = 20.0


def _flow(plant: Plant, t: float) -> float:
    """Return the air flow as a share of the nominal: the fan runs up and down over some seconds."""
    answer = 0.0
    for part in range(4):
        answer += plant.fan_on(t - part * FAN_RUN_UP_S / 4) / 4
    return answer


@dataclass(frozen=True, slots=True)
class DryCollector:
    """A bag filter: dust cakes on the bags, a pulse of air throws it off, and bags age over weeks.

    clean_pa     pressure drop of clean bags at full flow, Pa
    cake_pa      what one cleaning cycle adds before the next pulse, Pa
    cycle_s      time between pulses
    bag_days     life of a set of bags; then new ones bring the pressure drop back
    """

    code: str
    plant: Plant
    clean_pa: float
    cake_pa: float
    cycle_s: float
    bag_days: float
    fan_a: float

    @classmethod
    def of(cls, code: str, plant: Plant) -> DryCollector:
        """Return the collector of that code: its size follows from the plant's seed."""
        key = (plant.seed, code)
        return cls(
            code,
            plant,
            clean_pa=between(650, 820, *key, "clean"),
            cake_pa=between(70, 150, *key, "cake"),
            cycle_s=between(90, 180, *key, "cycle"),
            bag_days=between(120, 200, *key, "bags"),
            fan_a=between(28, 75, *key, "fan"),
        )

    def values(self) -> Mapping[str, Callable[[float], float]]:
        """Return signal -> value at a time."""
        return {
            "hopper_temperature": self.hopper_c,
            "inlet_temperature": self.inlet_c,
            "outlet_temperature": self.outlet_c,
            "differential_pressure": self.pressure_drop_pa,
            "lock_air_fault": lambda _: 0.0,
            "fan_running": lambda t: float(self.plant.fan_on(t)),
            "fan_current": self.fan_current_a,
            "wind_speed": self.wind_mps,
            "pulse_air_pressure": self.pulse_air_mpa,
            "spark_detected": lambda _: 0.0,
            "production_running": lambda t: float(self.plant.load(t) > 0),
        }

    def _noise(self, t: float, name: str) -> float:
        return gauss(self.plant.seed, self.code, name, round(t * 1_000))

    def hopper_c(self, t: float) -> float:
        """Return the hopper's temperature: warm dust heats a steel cone within half an hour."""
        heat = 9.0 + 1.5 * drift(t, 1_200, self.plant.seed, self.code, "dust")
        return (
            self.plant.ambient_c(t)
            + heat * self.plant.shifts.lagged(t, 1_500)
            + 0.08 * self._noise(t, "hopper")
        )

    def inlet_c(self, t: float) -> float:
        """Return the temperature of the dusty air."""
        heat = 13.0 + 2.0 * drift(t, 240, self.plant.seed, self.code, "air")
        return (
            self.plant.ambient_c(t) + heat * self.plant.shifts.lagged(t, 120) + 0.15 * self._noise(t, "inlet")
        )

    def outlet_c(self, t: float) -> float:
        """Return the temperature of the cleaned air, which lost some heat in the filter."""
        return (
            self.plant.ambient_c(t) + 8.0 * self.plant.shifts.lagged(t, 420) + 0.12 * self._noise(t, "outlet")
        )

    def pressure_drop_pa(self, t: float) -> float:
        """Return flow² times what bags and cake resist: a sawtooth of cleaning on a slow rise."""
        age = (t / (self.bag_days * DAY_S) + chance(self.plant.seed, self.code, "age")) % 1.0
        cycle = (t / self.cycle_s + chance(self.plant.seed, self.code, "pulse")) % 1.0
        # The pulse itself takes a twentieth of the cycle.
        cake = cycle if cycle < 0.95 else (1.0 - cycle) * 19.0
        resistance = self.clean_pa * (1.0 + 0.25 * age) + self.cake_pa * cake * (
            0.4 + 0.6 * self.plant.load(t)
        )
        return _flow(self.plant, t) ** 2 * resistance + 6.0 * self._noise(t, "dp")

    def fan_current_a(self, t: float) -> float:
        """Return the fan's current; a clogged filter moves less air, and less air needs less power."""
        flow = _flow(self.plant, t)
        if flow <= 0.0:
            return 0.0
        running = self.fan_a * (0.45 + 0.5 * flow + 0.02 * drift(t, 40, self.plant.seed, self.code, "fan"))
        # Only the first moments after a start see the inrush.
        return running * (2.2 if flow < 0.5 and self.plant.fan_on(t) else 1.0) + 0.2 * self._noise(t, "fan")

    def wind_mps(self, t: float) -> float:
        """Return the air's speed in the duct."""
        full = between(20.0, 23.5, self.plant.seed, self.code, "duct")
        return max(0.0, full * _flow(self.plant, t) + 0.25 * self._noise(t, "duct"))

    def pulse_air_mpa(self, t: float) -> float:
        """Return the cleaning air's pressure: a dip at every pulse, the compressor's slow saw between."""
        cycle = (t / self.cycle_s + chance(self.plant.seed, self.code, "pulse")) % 1.0
        saw = 0.02 * ((t / 420.0) % 1.0)
        return (
            0.46
            - saw
            - (0.05 if cycle >= 0.95 and self.plant.fan_on(t) else 0.0)
            + 0.002 * self._noise(t, "air")
        )


@dataclass(frozen=True, slots=True)
class WetCollector:
    """A scrubber: water circulates, evaporates, and a float valve fills the tank up again."""

    code: str
    plant: Plant
    flow_m3h: float
    fill_s: float = field(default=1_700.0)

    @classmethod
    def of(cls, code: str, plant: Plant) -> WetCollector:
        """Return the collector of that code."""
        return cls(code, plant, flow_m3h=between(22, 48, plant.seed, code, "flow"))

    def values(self) -> Mapping[str, Callable[[float], float]]:
        """Return signal -> value at a time."""
        return {
            "water_level": self.level_mm,
            "water_flow": self.water_flow_m3h,
            "water_pressure": self.water_pressure_mpa,
            "fan_running": lambda t: float(self.plant.fan_on(t)),
            "fan_current": self.fan_current_a,
            "hydrogen": self.hydrogen_lel,
        }

    def _noise(self, t: float, name: str) -> float:
        return gauss(self.plant.seed, self.code, name, round(t * 1_000))

    def level_mm(self, t: float) -> float:
        """Return the tank's level: water leaves at work, then the valve opens for a tenth of the cycle."""
        worked_s = self.plant.shifts.total_s(t, local_day(t) - 7)
        cycle = (worked_s / self.fill_s + chance(self.plant.seed, self.code, "valve")) % 1.0
        fall = cycle / 0.9 if cycle < 0.9 else (1.0 - cycle) / 0.1
        ripple = 6.0 * self._noise(t, "level") * (1.0 if self.plant.fan_on(t) else 0.1)
        return 920.0 - 100.0 * fall + ripple

    def water_flow_m3h(self, t: float) -> float:
        """Return the circulation's flow; the pump runs with the fan."""
        wander = 1.0 + 0.02 * drift(t, 300, self.plant.seed, self.code, "pump")
        return max(0.0, self.flow_m3h * wander * _flow(self.plant, t) + 0.15 * self._noise(t, "flow"))

    def water_pressure_mpa(self, t: float) -> float:
        """Return the pump's pressure."""
        return max(0.0, 0.24 * _flow(self.plant, t) + 0.002 * self._noise(t, "pressure"))

    def fan_current_a(self, t: float) -> float:
        """Return the fan's current."""
        if not self.plant.fan_on(t):
            return 0.0
        return 41.0 + 0.8 * drift(t, 60, self.plant.seed, self.code, "fan") + 0.2 * self._noise(t, "fan")

    def hydrogen_lel(self, t: float) -> float:
        """Return hydrogen over the wet sludge, % of the lower explosive limit."""
        sludge = 1.6 + 0.9 * drift(t, 2_400, self.plant.seed, self.code, "h2") + 0.5 * self.plant.load(t)
        return max(0.0, sludge + 0.15 * self._noise(t, "h2"))
