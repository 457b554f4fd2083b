# ruff: noqa: T201 - the figures of docs/rules.md are to be seen with -s
"""The shipped dust and power packs on recordings of real machines: how often they speak, and how early."""

import csv
import gzip
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from core.batch import Batch
from core.events import Kind
from detectors.bank import Bank
from detectors.enlist import with_rules
from detectors.plan import Plan
from detectors.rulebook import read_packs, shipped
from detectors.watched import Watched
from registry.signals import catalogue

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
RULES = read_packs(shipped(), {name: signal.unit for name, signal in catalogue().items()})
SECOND = 1_000_000_000
TRANSFORMER = {
    "VL1": "voltage_a", "VL2": "voltage_b", "VL3": "voltage_c", "IL1": "current_a", "IL2": "current_b",
    "IL3": "current_c", "VL12": "voltage_ab", "VL23": "voltage_bc", "VL31": "voltage_ca", "INUT": "current_n",
}  # fmt: skip


def table(*path):
    file = DATA.joinpath(*path)
    if not file.exists():
        pytest.skip(f"{'/'.join(path)} is not here: the recordings stand beside the repository")
    with gzip.open(file, "rt", encoding="utf-8-sig") if file.suffix == ".gz" else file.open() as lines:
        return list(csv.DictReader(lines))


def play(profile, columns, t, *, period_s, overrides=None):
    """Return (rule, level, t, device's events of kind RAISE); columns: signal -> float64[N]."""
    series = {signal: n for n, signal in enumerate(columns, 1)}
    device = Watched(1, profile, series, dict.fromkeys(series, period_s), overrides or {})
    plan = with_rules(Plan(gateway_of=np.ones(len(series) + 1, np.int32)), RULES, [device])
    bank = Bank(plan, now=int(t[0]))
    t = np.asarray(t, np.int64)
    order = np.argsort(t, kind="stable")
    keep = order[np.append(np.diff(t[order]) > 0, True)]
    events = bank.step(
        Batch.of(
            np.repeat(np.array(list(series.values()), np.int32), len(keep)),
            np.tile(t[keep], len(series)),
            np.concatenate([np.asarray(column, float)[keep] for column in columns.values()]),
        ),
        int(t[0]),
    )
    return [
        (bank.rules[r].code, int(level), int(at))
        for r, level, at, kind in zip(events.rule, events.level, events.t, events.kind, strict=True)
        if kind == Kind.RAISE
    ]


def per_day(raised, t):
    days = (max(t) - min(t)) / (86_400 * SECOND)
    return {code: round(n / days, 3) for code, n in sorted(Counter(code for code, *_ in raised).items())}


def at(text, form):
    return int(datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()) * SECOND


def transformer():
    rows = table("load", "transformer_iot", "CurrentVoltage.csv")
    t = [at(row["DeviceTimeStamp"], "%Y-%m-%dT%H:%M") for row in rows]
    return {signal: [float(row[name] or "nan") for row in rows] for name, signal in TRANSFORMER.items()}, t


def steel():
    rows = table("load", "steel_industry", "Steel_industry_data.csv.gz")
    t = [at(row["date"], "%d/%m/%Y %H:%M") for row in rows]
    # The last quarter of an hour of a day is written as 00:00 of the same day.
    t = [b + 86_400 * SECOND if n and b < t[n - 1] else b for n, b in enumerate(t)]
    return {"active_power": [4.0 * float(row["Usage_kWh"]) for row in rows]}, t


def filters():
    runs = {}
    for row in table("dust", "filter_clogging", "Train_Data_runs_01-20.csv"):
        runs.setdefault(row["Data_No"], []).append((float(row["Time"]), float(row["Differential_pressure"])))
    return {run: np.array(rows) for run, rows in runs.items()}


def test_a_transformer_is_spoken_of_less_than_once_a_day_by_any_rule():
    """235.4 V is +7 %: the recording is above it on most nights, so E-05 is a fact and blue."""
    columns, t = transformer()
    raised = play("load_meter", columns, t, period_s=900)
    rates = per_day(raised, t)
    print("transformer_iot, raises per device-day:", rates)
    assert set(rates) <= {"E-05-A", "E-05-B", "E-05-C", "E-09"}
    assert all(rate < 0.8 for rate in rates.values())
    assert rates.get("E-09", 0) < 0.05
    assert max(level for code, level, _ in raised if code.startswith("E-05")) == 2


def test_a_steel_works_in_order_raises_nothing_without_numbers_of_its_own():
    columns, t = steel()
    assert play("load_meter", columns, t, period_s=900) == []
    full = float(np.quantile(columns["active_power"], 0.95))
    rates = per_day(play("load_meter", columns, t, period_s=900, overrides={"E-23.floor": full}), t)
    print(f"steel_industry, E-23 with a floor of {full:.0f} kW, raises per device-day:", rates)
    assert sum(rates.values()) < 0.2


def test_filters_that_clog_raise_the_pressure_rules_before_600_pa():
    """A second of the bench, which feeds dust as fast as it can, stands for ten minutes of a plant."""
    leads, raises = {"D-05": [], "D-06": []}, Counter()
    # The bench's filter is failed at 600 Pa, and as good as nothing when it is new.
    own = {"D-05.allowed": 600, "D-06.upper": 400, "D-06.back": 40, "D-07.lower": 0}
    runs = filters()
    for rows in runs.values():
        t = (1_577_836_800 * SECOND + rows[:, 0] * 600 * SECOND).astype(np.int64)
        pressure = rows[:, 1]
        columns = {"differential_pressure": pressure, "fan_running": np.ones(len(t))}
        raised = play("dry_dust_collector", columns, t, period_s=60, overrides=own)
        failed = int(t[np.argmax(pressure >= 600)])
        raises.update(code for code, *_ in raised)
        for code, of_runs in leads.items():
            of_runs.append((failed - min(at for c, _, at in raised if c == code)) / (3600 * SECOND))
        # While the filter is new, nothing is said.
        assert not [at for _, _, at in raised if at < t[0] + 8 * 3600 * SECOND]
    for code, of_runs in leads.items():
        print(
            f"{code}: {min(of_runs):.1f} to {max(of_runs):.1f} h before 600 Pa, median {np.median(of_runs):.1f} h"
        )
        assert min(of_runs) > 1.0
    print("raises per run:", {code: n / len(runs) for code, n in raises.items()})
    assert set(raises) == {"D-05", "D-06"}
    assert all(n / len(runs) < 3 for n in raises.values())
