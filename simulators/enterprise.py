"""A plant as its devices feel it: how hard it works, how warm the air is, what the grid delivers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from simulators.noise import between, drift
from simulators.shift import DAY_S, Shifts, local_day, local_hour

YEAR_DAYS = 365.25
START_UP_S = 300.0  # machines are switched on one after the other
COLLECTOR_FIRST_S = 400.0  # the collector runs before the first machine does (site rules: five minutes)
COLLECTOR_LAST_S = 780.0  # and some minutes after the last one stopped (site rules: ten)


@dataclass(frozen=True, slots=True)
class Plant:
    """One enterprise's site."""

    code: str
    seed: int
    shifts: Shifts

    def load(self, t: float) -> float:
        """Return how hard it works, 0 (closed) to 1; the first minutes of a shift ramp up."""
        since_s = self.shifts.since_on_s(t)
        if since_s <= 0.0:
            return 0.0
        pace = 0.8 + 0.12 * drift(t, 1_500, self.seed, "pace") + 0.06 * drift(t, 190, self.seed, "beat")
        return pace * min(1.0, since_s / START_UP_S)

    def fan_on(self, t: float) -> bool:
        """Say whether the dust collector runs: longer than production, at both ends."""
        return self.shifts.on(t, before_s=COLLECTOR_FIRST_S, after_s=COLLECTOR_LAST_S)

    def ambient_c(self, t: float) -> float:
        """Return the air's temperature in the workshop, ℃: season, hour, weather."""
        season = math.cos(2 * math.pi * (local_day(t) % YEAR_DAYS - 200) / YEAR_DAYS)
        hour = math.cos(2 * math.pi * (local_hour(t) - 15) / 24)
        return 17.0 + 9.0 * season + 3.0 * hour + 2.0 * drift(t, 2 * DAY_S / 3, "weather")

    def phase_v(self, t: float, phase: int) -> float:
        """Return a phase voltage of the feeder, V: high at night, lower while the plant draws."""
        night = 2.0 * math.cos(2 * math.pi * (local_hour(t) - 3) / 24)
        own = between(-1.5, 1.5, self.seed, "phase", phase)
        wander = 1.2 * drift(t, 900, self.seed, "grid") + 0.5 * drift(t, 60, self.seed, "grid", phase)
        return 228.5 + night + own + wander - 3.0 * self.load(t)
