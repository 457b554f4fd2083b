"""The multi-level threshold, one reading at a time, as a state machine: slow, obvious, the oracle."""

from dataclasses import dataclass, field


@dataclass
class Level:
    level: int
    high: bool
    limit: float
    deadband: float
    on_delay: int
    off_delay: int
    max_gap: int
    condition: bool = False
    changed: int = 0
    active: bool = False
    since: int = 0

    def take(self, x, t, gap):
        forgotten = gap is not None and self.max_gap and gap > self.max_gap
        held = self.active if forgotten else self.condition
        beyond = x >= self.limit if self.high else x <= self.limit
        back = x < self.limit - self.deadband if self.high else x > self.limit + self.deadband
        now = (held or beyond) and not back
        # The condition counts from its first sample; after a gap from the first that shows it again.
        if now != held:
            self.changed = t
        self.condition = now
        if now and not self.active and t - self.changed >= self.on_delay:
            self.active, self.since = True, self.changed
        elif not now and self.active and t - self.changed >= self.off_delay:
            self.active = False


@dataclass
class Alarm:
    rule: int
    series: int
    levels: list
    last_t: int | None = None
    told: tuple = (0, 0, float("nan"))
    present: tuple = (0, 0, float("nan"))
    events: list = field(default_factory=list)

    def take(self, x, t, historical):
        gap = None if self.last_t is None else t - self.last_t
        self.last_t = t
        for level in self.levels:
            level.take(x, t, gap)
        active = [level for level in self.levels if level.active]
        was = self.present if historical else self.told
        top = max(active, key=lambda level: level.level, default=None)
        self.present = (top.level, top.since, top.limit) if top else (0, 0, float("nan"))
        if self.present[0] != was[0]:
            kind = 1 if top else 2
            level, since, limit = self.present if top else was
            self.events.append((t, self.rule, self.series, kind, level, since, x, limit, historical))
        if not historical:
            self.told = self.present


class NaiveThreshold:
    """rows: dictionaries as for Thresholds.rows, every column given."""

    def __init__(self, rows):
        self.alarms = {}
        for row in sorted(rows, key=lambda r: (r["level"], not r["high"])):
            key = row["series"], row["rule"]
            alarm = self.alarms.setdefault(key, Alarm(row["rule"], row["series"], []))
            names = ("level", "high", "limit", "deadband", "on_delay", "off_delay", "max_gap")
            alarm.levels.append(Level(**{name: row[name] for name in names}))
        self.of_series = {}
        for (series, _), alarm in sorted(self.alarms.items()):
            self.of_series.setdefault(series, []).append(alarm)

    def step(self, batch, now):
        for i in range(len(batch)):
            series, quality, x = int(batch.series[i]), int(batch.quality[i]), float(batch.value[i])
            if x != x or quality & 3 == 0:
                continue
            x = min(max(x, -1e15), 1e15)
            for alarm in self.of_series.get(series, ()):
                alarm.take(x, int(batch.t[i]), bool(quality & 0x20))
        events = [event for alarm in self.alarms.values() for event in alarm.events]
        for alarm in self.alarms.values():
            alarm.events.clear()
        return sorted(events, key=lambda event: event[:3])
