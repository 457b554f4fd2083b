"""What goes wrong in the town: a script for the first minutes, then now and then something, for ever."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from simulators.noise import between, chance

# A quiet county: something new about every seven minutes.
EVERY_S = 420.0
SPREAD_S = 150.0
LONGEST_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Kind:
    """One way of going wrong.

    signal   what shows it; "" = the gateway falls silent
    aim      where the signal goes, in its unit
    rise_s   time constant of going there, 0 = at once; fall_s likewise of the way back
    hold_s   how long the cause lasts
    busy     only where production runs
    """

    name: str
    signal: str
    aim: float
    rise_s: float
    hold_s: float
    fall_s: float
    busy: bool = False


SMOULDER = Kind("hopper smoulders", "hopper_temperature", 92.0, 22.0, 240.0, 150.0)
CLOG = Kind("bags clog", "differential_pressure", 2_050.0, 90.0, 420.0, 30.0, busy=True)
SILENCE = Kind("gateway falls silent", "", 0.0, 0.0, 300.0, 0.0)
LEAK = Kind("insulation leaks", "residual_current", 560.0, 6.0, 300.0, 2.0)
KINDS = (
    SMOULDER,
    CLOG,
    SILENCE,
    LEAK,
    Kind("hot chips in the duct", "inlet_temperature", 82.0, 35.0, 150.0, 60.0, busy=True),
    Kind("discharge jams", "lock_air_fault", 1.0, 0.0, 240.0, 0.0),
    Kind("spark in the duct", "spark_detected", 1.0, 0.0, 3.0, 0.0, busy=True),
    Kind("float valve sticks", "water_level", 440.0, 150.0, 400.0, 60.0),
    Kind("wet dust gives off hydrogen", "hydrogen", 34.0, 80.0, 240.0, 90.0),
    Kind("loose lug", "cable_temperature", 88.0, 160.0, 600.0, 300.0, busy=True),
    Kind("welder's cable chafed", "leakage_current", 42.0, 3.0, 200.0, 1.0, busy=True),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something can go wrong: one signal of one device."""

    gateway: str
    device: str
    signal: str


@dataclass(frozen=True, slots=True)
class Incident:
    """One thing going wrong at one place from `start` (s since 1970) on."""

    kind: Kind
    place: Place
    start: float

    @property
    def end(self) -> float:
        """When the cause is gone; the signal comes back from then on."""
        return self.start + self.kind.hold_s

    def share(self, t: float) -> float:
        """Return how far the signal is on its way, 0 to 1: a first-order lag up, and one down."""
        if t < self.start:
            return 0.0
        up = _lag(min(t, self.end) - self.start, self.kind.rise_s)
        return up if t <= self.end else up * (1.0 - _lag(t - self.end, self.kind.fall_s))

    def touches(self, place: Place) -> bool:
        """Say whether it shows at that place."""
        return (
            self.place.gateway == place.gateway
            and self.kind.signal in ("", place.signal)
            and (not self.kind.signal or self.place.device == place.device)
        )


def _lag(elapsed_s: float, tau_s: float) -> float:
    return 1.0 - math.exp(-elapsed_s / tau_s) if tau_s > 0 else 1.0


@dataclass(frozen=True, slots=True)
class Opening:
    """A line of the script: seconds after the start, what, and where ("" = anywhere)."""

    after_s: float
    kind: Kind
    gateway: str = ""
    device: str = ""


# The first one stands in town.toml with short delays: a visitor sees it climb to red within a minute.
SCRIPT = (
    Opening(6.0, SMOULDER, "gw-01", "dc-1"),
    Opening(150.0, CLOG),
    Opening(300.0, SILENCE),
    Opening(480.0, LEAK),
)


class Story:
    """All incidents of a town that starts at `start`; a function of (seed, start), whenever it is asked.

    places : Sequence[Place]   every signal of the town
    busy(gateway, t)           whether that plant produces
    calm : bool                nothing ever goes wrong
    """

    def __init__(
        self,
        places: Sequence[Place],
        busy: Callable[[str, float], bool],
        *,
        seed: int,
        start: float,
        calm: bool = False,
    ) -> None:
        self._places = places
        self._busy = busy
        self._seed = seed
        self._start = start
        self._calm = calm
        self._told: dict[int, Incident | None] = {}

    def incidents(self, t: float) -> list[Incident]:
        """Return the incidents that may still show at `t`, oldest first."""
        if self._calm or t < self._start:
            return []
        first = max(0, int((t - self._start - LONGEST_S) // EVERY_S))
        last = len(SCRIPT) + int((t - self._start) // EVERY_S) + 1
        told = (self._tell(number) for number in range(first, last))
        return [one for one in told if one is not None and one.start <= t]

    def _tell(self, number: int) -> Incident | None:
        if number not in self._told:
            self._told[number] = self._imagine(number)
        return self._told[number]

    def _imagine(self, number: int) -> Incident | None:
        if number < len(SCRIPT):
            line = SCRIPT[number]
            return self._place(line.kind, self._start + line.after_s, number, line)
        late_s = SCRIPT[-1].after_s + (number - len(SCRIPT) + 1) * EVERY_S
        start = self._start + late_s + between(-SPREAD_S, SPREAD_S, self._seed, "when", number)
        kind = KINDS[int(chance(self._seed, "what", number) * len(KINDS))]
        return self._place(kind, start, number, Opening(late_s, kind))

    def _place(self, kind: Kind, start: float, number: int, line: Opening) -> Incident | None:
        """Return the incident at one of the places where it can happen; None when there is none."""
        fits = [place for place in self._fitting(kind, start) if _named(place, line)]
        if not fits:
            return None
        return Incident(kind, fits[int(chance(self._seed, "where", number) * len(fits))], start)

    def _fitting(self, kind: Kind, start: float) -> Iterable[Place]:
        for place in self._places:
            if kind.signal in ("", place.signal) and (not kind.busy or self._busy(place.gateway, start)):
                yield place


def _named(place: Place, line: Opening) -> bool:
    return line.gateway in ("", place.gateway) and line.device in ("", place.device)
