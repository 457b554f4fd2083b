# ruff: noqa: T201 - the figures of docs/rules.md are to be seen with -s
"""The shipped dust and power packs on recordings of real machines: how often they speak, and how early."""

import csv
import gzip
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from core.batch import Batch
from core.levels import Level
from core.time import DAY, HOUR, SECOND
from detectors.enlist import with_rules
from detectors.plan import Plan
from detectors.watched import Watched
from service.backtest import pieces, play, readings_of, summary
from service.config import Rules
from service.rules import rules_of
from service.town_catalog import read
from simulators.mapping import find, load, town_of
from simulators.recording import Recording

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
RULES = rules_of(Rules())


def here(*path):
    file = DATA.joinpath(*path)
    if not file.exists():
        pytest.skip(f"{'/'.join(path)} is not here: the recordings stand beside the repository")
    return file


def recorded(mapping, *path, runs=None):
    """Devices by code, and their readings."""
    recording = Recording(here(*path), load(find(mapping)), runs)
    catalog = read(town_of(recording.mapping, find(mapping)))
    return {code: device for (_, code), device in catalog.devices.items()}, readings_of([recording], catalog)


def alarms(profile, series, batch, *, period_s, overrides=None):
    """What the shipped rules say of one device, without the limits of a town."""
    device = Watched(1, profile, series, dict.fromkeys(series, period_s), overrides or {})
    n_series = max(series.values()) + 1
    plan = with_rules(Plan(gateway_of=np.ones(n_series, np.int32)), RULES, [device])
    return play(plan, pieces(batch))


def per_day(found, batch):
    lines = summary(found, begin=int(batch.t.min()), end=int(batch.t.max()), n_devices=1)
    return {line.rule: round(line.per_device_day, 3) for line in lines}


def steel():
    """Energy per quarter of an hour, as the power of a meter."""
    with gzip.open(
        here("load", "steel_industry", "Steel_industry_data.csv.gz"), "rt", encoding="utf-8-sig"
    ) as lines:
        rows = list(csv.DictReader(lines))
    t = [datetime.strptime(row["date"], "%d/%m/%Y %H:%M").replace(tzinfo=UTC) for row in rows]
    t = [int(moment.timestamp()) * SECOND for moment in t]
    # The last quarter of an hour of a day is written as 00:00 of the same day.
    t = [b + DAY if n and b < t[n - 1] else b for n, b in enumerate(t)]
    power = np.array([4.0 * float(row["Usage_kWh"]) for row in rows])
    return {"active_power": 1}, Batch.of(np.ones(len(t), np.int32), np.array(t, np.int64), power)


def test_a_transformer_is_spoken_of_less_than_once_a_day_by_any_rule():
    """235.4 V is +7 %: the recording is above it on most nights, so E-05 is a fact and blue."""
    devices, batch = recorded("transformer_voltage", "load", "transformer_iot", "CurrentVoltage.csv")
    found = alarms("load_meter", devices["tr-1"].series, batch, period_s=900)
    rates = per_day(found, batch)
    print("transformer_iot, raises per device-day:", rates)
    assert set(rates) <= {"E-05-A", "E-05-B", "E-05-C", "E-09"}
    assert all(rate < 0.8 for rate in rates.values())
    assert rates.get("E-09", 0) < 0.05
    assert max(alarm.level for alarm in found if alarm.rule.startswith("E-05")) == Level.YELLOW


def test_a_steel_works_in_order_raises_nothing_without_numbers_of_its_own():
    series, batch = steel()
    assert alarms("load_meter", series, batch, period_s=900) == []
    full = float(np.quantile(batch.value, 0.95))
    rates = per_day(alarms("load_meter", series, batch, period_s=900, overrides={"E-23.floor": full}), batch)
    print(f"steel_industry, E-23 with a floor of {full:.0f} kW, raises per device-day:", rates)
    assert sum(rates.values()) < 0.2


def slower(batch, series, factor):
    """Readings of one series with its time stretched, and a fan that always runs beside them."""
    mine = batch.take(batch.series == series["differential_pressure"])
    t = mine.t[0] + (mine.t - mine.t[0]) * factor
    fan = np.full(len(t), series["fan_running"], np.int32)
    keys, ones = np.concatenate([mine.series, fan]), np.ones(len(t))
    return replace(mine, t=t), Batch.of(keys, np.tile(t, 2), np.concatenate([mine.value, ones]))


def test_filters_that_clog_raise_the_pressure_rules_before_600_pa():
    """A second of the bench, which feeds dust as fast as it can, stands for ten minutes of a plant."""
    leads, n_raised = {"D-05": [], "D-06": []}, {"D-05": 0, "D-06": 0}
    # The bench's filter is failed at 600 Pa, and as good as nothing when it is new.
    own = {"D-05.allowed": 600, "D-06.upper": 400, "D-06.back": 40, "D-07.lower": 0}
    devices, batch = recorded("filter_clogging", "dust", "filter_clogging", "Train_Data_runs_01-20.csv")
    for device in devices.values():
        series = {
            "differential_pressure": device.series["differential_pressure"],
            "fan_running": max(device.series.values()) + 1000,
        }
        pressure, readings = slower(batch, series, 600)
        found = alarms("dry_dust_collector", series, readings, period_s=60, overrides=own)
        assert {alarm.rule for alarm in found} == {"D-05", "D-06"}
        failed = int(pressure.t[np.argmax(pressure.value >= 600)])
        for code, of_runs in leads.items():
            mine = [alarm.raised for alarm in found if alarm.rule == code]
            of_runs.append((failed - min(mine)) / HOUR)
            n_raised[code] += len(mine)
        # While the filter is new, nothing is said.
        assert min(alarm.raised for alarm in found) > pressure.t[0] + 8 * HOUR
    for code, of_runs in leads.items():
        print(
            f"{code}: {min(of_runs):.1f} to {max(of_runs):.1f} h before 600 Pa, median {np.median(of_runs):.1f} h"
        )
        assert min(of_runs) > 1.0
    print("raises per run:", {code: n / len(devices) for code, n in n_raised.items()})
    assert all(n / len(devices) < 3 for n in n_raised.values())
