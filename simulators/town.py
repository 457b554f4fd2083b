"""The town: gateways and devices as its registry file names them, and every reading they give."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from core.errors import TownError
from simulators.collector import DryCollector, WetCollector
from simulators.enterprise import Plant
from simulators.gateway import Reading
from simulators.incident import Incident, Place, Story
from simulators.meter import Meter
from simulators.noise import between, chance
from simulators.shift import Shifts, day_shift, round_the_clock, two_shifts
from simulators.welder import Welder

DEFAULT_PERIOD_S = 10.0
# A signal that is told on change is told again after this time, so that a newcomer learns it.
REPEAT_S = 300
BINARY = frozenset(
    {"lock_air_fault", "fan_running", "production_running", "spark_detected", "unlocked", "arc_fault_count"}
)
# What a sensor of this kind shows behind the decimal point; one digit otherwise.
DECIMALS = {
    "pulse_air_pressure": 3, "water_pressure": 3, "power_factor": 3, "frequency": 2, "active_energy": 2,
    "active_power": 2, "leakage_current": 2, "differential_pressure": 0, "water_level": 0,
}  # fmt: skip

Value = Callable[[float], float]
_MODELS: Mapping[str, Callable[[str, Plant], DryCollector | WetCollector | Meter | Welder]] = {
    "dry_dust_collector": DryCollector.of,
    "wet_dust_collector": WetCollector.of,
    "load_meter": Meter.of,
    "welder": Welder.of,
}


@dataclass(frozen=True, slots=True)
class Sensor:
    """One signal of one device: when it is sampled and what it would show were nothing wrong."""

    place: Place
    period_ms: int
    phase_ms: int
    value: Value

    def instants_ms(self, since_ms: int, until_ms: int) -> Iterator[int]:
        """Yield the sampling instants after `since_ms`, up to and including `until_ms`."""
        step = self.period_ms or 1_000
        first = (since_ms - self.phase_ms) // step + 1
        last = (until_ms - self.phase_ms) // step
        for k in range(first, last + 1):
            yield k * step + self.phase_ms


class Town:
    """All sensors of a registry file, and the story of what goes wrong; a pure function of time.

    file : Mapping     the registry file as tomllib reads it
    seed : int         another seed is another town behind the same names
    start : float      s since 1970; the story counts from here
    Raises TownError when the file asks for what no model gives.
    """

    def __init__(self, file: Mapping[str, Any], *, seed: int, start: float, calm: bool = False) -> None:
        self.plants = {gateway["code"]: _plant(gateway, seed) for gateway in file["gateway"]}
        self.sensors = tuple(_sensors(file, self.plants))
        places = tuple(sensor.place for sensor in self.sensors)
        self.story = Story(places, self._busy, seed=seed, start=start, calm=calm)

    def _busy(self, gateway: str, t: float) -> bool:
        return self.plants[gateway].load(t) > 0.0

    def due(self, since: float, until: float) -> list[Reading]:
        """Return what is measured after `since`, up to `until` (s), ordered by (gateway, device, signal)."""
        incidents = self.story.incidents(until)
        since_ms, until_ms = round(since * 1_000), round(until * 1_000)
        return [
            reading for sensor in self.sensors for reading in _sampled(sensor, incidents, since_ms, until_ms)
        ]


def _sampled(sensor: Sensor, incidents: list[Incident], since_ms: int, until_ms: int) -> Iterator[Reading]:
    mine = [incident for incident in incidents if incident.touches(sensor.place)]
    for instant_ms in sensor.instants_ms(since_ms, until_ms):
        value = shown(sensor, mine, instant_ms)
        if value is not None and (sensor.period_ms or _told(sensor, mine, instant_ms, value)):
            place = sensor.place
            yield Reading(place.gateway, place.device, place.signal, instant_ms / 1_000, value)


def _told(sensor: Sensor, incidents: list[Incident], instant_ms: int, value: float) -> bool:
    """Say whether a signal that is told on change is told now."""
    second = (instant_ms - sensor.phase_ms) // 1_000
    return second % REPEAT_S == 0 or shown(sensor, incidents, instant_ms - 1_000) != value


def shown(sensor: Sensor, incidents: list[Incident], instant_ms: int) -> float | None:
    """Return what the sensor shows; None while its gateway is silent."""
    t = instant_ms / 1_000
    value = sensor.value(t)
    for incident in incidents:
        share = incident.share(t)
        if not incident.kind.signal and incident.start <= t <= incident.end:
            return None
        if incident.kind.signal:
            value += share * (incident.kind.aim - value)
    if sensor.place.signal in BINARY:
        return float(value > 0.5)
    return round(value, DECIMALS.get(sensor.place.signal, 1))


def _plant(gateway: Mapping[str, Any], seed: int) -> Plant:
    code = gateway["enterprise"]
    own = int(chance(seed, code, "plant") * (1 << 32))
    return Plant(code, own, _shifts(own))


def _shifts(seed: int) -> Shifts:
    kind = chance(seed, "shifts")
    if kind < 0.3:
        return round_the_clock(seed)
    return two_shifts(seed) if kind < 0.6 else day_shift(seed)


def _sensors(file: Mapping[str, Any], plants: Mapping[str, Plant]) -> Iterator[Sensor]:
    templates = {template["name"]: template["series"] for template in file.get("template", ())}
    for device in sorted(file["device"], key=lambda device: (device["gateway"], device["code"])):
        plant = plants[device["gateway"]]
        values = _model(device)(device["code"], plant).values()
        # The device's own series replaces the template's of the same signal (docs/registry.md).
        series = {one["signal"]: one for one in templates.get(device.get("template"), ())}
        series |= {one["signal"]: one for one in device.get("series", ())}
        for signal, one in series.items():
            place = Place(device["gateway"], device["code"], signal)
            if signal not in values:
                raise TownError(
                    f"device {place.gateway}/{place.device}",
                    f"a {device['profile']} gives no {signal!r}; it gives {', '.join(sorted(values))}",
                    "Take the series out of the file, or teach the model in simulators/",
                )
            yield _sensor(place, one, plant.seed, values[signal])


def _sensor(place: Place, series: Mapping[str, Any], seed: int, value: Value) -> Sensor:
    period_ms = round(series.get("period_s", DEFAULT_PERIOD_S) * 1_000)
    # Devices do not sample in step with each other.
    phase_ms = int(between(0, period_ms or 1_000, seed, place.device))
    return Sensor(place, period_ms, phase_ms, value)


def _model(device: Mapping[str, Any]) -> Callable[[str, Plant], DryCollector | WetCollector | Meter | Welder]:
    try:
        return _MODELS[device["profile"]]
    except KeyError:
        raise TownError(
            f"device {device['gateway']}/{device['code']}",
            f"profile {device['profile']!r} has no model; there are {', '.join(sorted(_MODELS))}",
            "Simulate it under one of these, or add a model in simulators/",
        ) from None


def read(path: Path | None = None) -> dict[str, Any]:
    """Return a registry file as data; the town that ships with the service when `path` is None."""
    text = path.read_text("utf-8") if path else files("simulators").joinpath("town.toml").read_text("utf-8")
    return tomllib.loads(text)
