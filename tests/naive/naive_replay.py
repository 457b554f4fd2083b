"""What a recording must raise: read with csv, judged one row at a time, limits straight from the town file.

Knows nothing of simulators.recording, ingest or detectors.
"""

import csv
import tomllib
from datetime import UTC, datetime, timedelta, timezone

CHINA = timezone(timedelta(hours=8))
GAP_PERIODS, GAP_FLOOR_S = 3.0, 60.0


def limits(town, device_code):
    """{signal: (period_s, [limit, …])} of one device."""
    file = tomllib.loads(town.read_text("utf-8"))
    templates = {template["name"]: template["series"] for template in file.get("template", ())}
    (device,) = (device for device in file["device"] if device["code"] == device_code)
    series = [*templates.get(device.get("template"), ()), *device.get("series", ())]
    return {one["signal"]: (one["period_s"], one.get("limits", [])) for one in series}


def transformer_samples(path, columns):
    """{signal: [(t_ms, value), …]}; of rows at one time the first counts, as wire.md §2.3 says."""
    samples = {signal: {} for signal in columns.values()}
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            moment = datetime.strptime(row["DeviceTimeStamp"], "%Y-%m-%dT%H:%M").replace(tzinfo=CHINA)
            for column, signal in columns.items():
                samples[signal].setdefault(round(moment.timestamp() * 1_000), float(row[column]))
    return {signal: list(found.items()) for signal, found in samples.items()}


def filter_samples(path, run):
    """[(t_ms, Pa), …] of one run: runs follow each other a minute apart from 2020-01-01 08:00 on."""
    start_ms = round(datetime(2020, 1, 1, tzinfo=UTC).timestamp() * 1_000)
    before, found, t_ms = "1", [], start_ms
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["Data_No"] != before:
                start_ms, before = t_ms + 60_000, row["Data_No"]
            t_ms = start_ms + round(float(row["Time"]) * 1_000)
            if int(row["Data_No"]) == run:
                found.append((t_ms, float(row["Differential_pressure"])))
    return found


class Step:
    """One limit of one series."""

    def __init__(self, limit, period_s):
        self.level = ["blue", "yellow", "orange", "red"].index(limit["level"]) + 1
        self.sign = 1 if "high" in limit else -1
        self.on_at = self.sign * limit.get("high", limit.get("low"))
        self.off_at = self.on_at - limit.get("deadband", 0)
        self.on_delay_ms = limit.get("on_delay_s", 0) * 1_000
        self.off_delay_ms = limit.get("off_delay_s", 0) * 1_000
        self.gap_ms = max(period_s * GAP_PERIODS, GAP_FLOOR_S) * 1_000 if period_s else None
        self.active, self.evidence, self.since_ms, self.last_ms = False, None, 0, None

    def take(self, t_ms, value):
        y = self.sign * value
        evidence = True if y >= self.on_at else False if y < self.off_at else self.evidence
        gap = self.gap_ms is not None and self.last_ms is not None and t_ms - self.last_ms > self.gap_ms
        if gap and not (y >= self.on_at or y < self.off_at):
            evidence = None
        if gap or evidence is not self.evidence:
            self.since_ms = t_ms
        self.evidence, self.last_ms = evidence, t_ms
        if evidence is True and t_ms - self.since_ms >= self.on_delay_ms:
            self.active = True
        if evidence is False and t_ms - self.since_ms >= self.off_delay_ms:
            self.active = False


def edges(samples, period_s, limits_of_series):
    """[(t_ms, level present from then on, value), …]: every change of the highest level; 0 = clear."""
    steps = [Step(limit, period_s) for limit in limits_of_series]
    level, found, high_water_ms = 0, [], None
    for t_ms, value in samples:
        if high_water_ms is not None and t_ms <= high_water_ms:
            continue  # late: stored, never judged
        high_water_ms = t_ms
        for step in steps:
            step.take(t_ms, value)
        now = max((step.level for step in steps if step.active), default=0)
        if now != level:
            found.append((t_ms, now, value))
            level = now
    return found
