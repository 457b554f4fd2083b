"""The detector core on one core: seven methods on every reading, against twins measured in the same run.

Figures of one run compare with each other; alone they say as much about the machine's other work as about us.
Times are the process's own (CPU), medians over batches; nothing is published, stored or sent.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.batch import Batch, Quality
from core.events import Rule, SubjectKind
from core.time import SECOND
from detectors.bank import Bank
from detectors.plan import Conditions, Derived, Plan, Thresholds

_START = 1_767_225_600 * SECOND
_PERIOD = 10 * SECOND
Shape = Callable[[np.random.Generator, int], NDArray[np.int64]]

# Name -> the series of one batch, with repetitions; n_series is the second argument.
SHAPES: dict[str, Shape] = {
    "100k-x-1": lambda rng, n: rng.permutation(n)[:100_000],
    "10k-x-10": lambda rng, n: np.repeat(rng.choice(n, 10_000, replace=False), 10),
    "100-x-1000": lambda rng, n: np.repeat(rng.choice(n, 100, replace=False), 1000),
    "1-x-100k": lambda rng, n: np.full(100_000, rng.integers(n)),
    "zipf-100k": lambda rng, n: np.minimum(rng.zipf(1.2, 100_000), n - 1),
    "uniform-100k": lambda rng, n: rng.integers(0, n, 100_000),
    "uniform-10k": lambda rng, n: rng.integers(0, n, 10_000),
    "uniform-1k": lambda rng, n: rng.integers(0, n, 1_000),
}


def seven(n_series: int) -> Plan:
    """Return a plan with threshold (four levels), rate, EWMA, CUSUM, stuck, thermal and Hampel on every series."""
    rng = np.random.default_rng(1)
    series = np.arange(n_series, dtype=np.int32)

    def limits(rule: int, *levels: tuple[int, float]) -> Thresholds:
        """Limits (level, limit); a negative level is on the low side."""
        n = n_series * len(levels)
        return Thresholds(
            rule=np.full(n, rule, np.int32),
            series=np.tile(series, len(levels)),
            level=np.repeat(np.array([abs(level) for level, _ in levels], np.uint8), n_series),
            high=np.repeat(np.array([level > 0 for level, _ in levels]), n_series),
            limit=np.repeat(np.array([limit for _, limit in levels]), n_series),
            deadband=np.full(n, 0.5),
            on_delay=np.full(n, 30 * SECOND, np.int64),
            off_delay=np.zeros(n, np.int64),
            max_gap=np.full(n, 300 * SECOND, np.int64),
        )

    def around(value: float) -> NDArray[np.float64]:
        return value * rng.uniform(0.99, 1.01, n_series)

    derived = (
        Derived("rate", series, {}, limits(1, (2, 3.0), (-2, -3.0))),
        Derived("ewma", series, {"floor": around(0.1)}, limits(2, (2, 6.0), (-2, -6.0))),
        Derived("cusum", series, {"mean": around(50), "sigma": around(3)}, limits(3, (2, 12.0), (-2, -12.0))),
        Derived("hampel", series, {"floor": around(0.1)}, limits(4, (2, 10.0), (-2, -10.0))),
        Derived("stuck", series, {}, limits(5, (2, 3600.0))),
        Derived("thermal", series, {"tau_s": around(600), "k_ib": around(60)}, limits(6, (2, 1.2))),
    )
    rules = tuple(Rule(f"B-{n}", "", "") for n in range(7))
    levels = limits(0, (3, 66.0), (4, 70.0), (-3, 34.0), (-4, 30.0))
    return Plan(rules, levels, derived, gateway_of=np.zeros(n_series, np.int32))


class Stream:
    """Readings of a quiet plant: normal noise around 50, every ten seconds."""

    def __init__(self, n_series: int) -> None:
        self._rng = np.random.default_rng(2)
        self._last = np.full(n_series, _START, np.int64)

    def batch(self, series: NDArray[np.int64]) -> Batch:
        """Return one reading for every entry of `series`."""
        series = np.sort(series)
        first = np.flatnonzero(np.r_[True, series[1:] != series[:-1]])
        count = np.diff(first, append=len(series))
        nth = np.arange(len(series)) - np.repeat(first, count) + 1
        t = self._last[series] + nth * _PERIOD
        self._last[series[first]] += count * _PERIOD
        value = self._rng.normal(50.0, 3.0, len(series))
        quality = np.full(len(series), Quality.GOOD, np.uint8)
        return Batch(np.asarray(series, np.int32), t, value, quality)


def run(n_series: int = 100_000, *, batches: int = 15) -> Iterator[dict[str, Any]]:
    """Yield the figures of every shape, of the twins and of memory bandwidth."""
    bank, stream = Bank(seven(n_series)), Stream(n_series)
    rng = np.random.default_rng(3)
    # Windows of 32 must be full, or Hampel has nothing to do; and no two series at the same point of their cycle.
    for _ in range(58):
        bank.step(stream.batch(np.flatnonzero(rng.random(n_series) < 0.75)), 0)
    state_b = sum(array.nbytes for array in bank.snapshot().values()) / n_series
    python_ns = _python_ns(stream, n_series)
    river_ns = _river_ns()
    copy_gb_s = _copy_gb_s()
    yield {"case": "python-twins", "ns_per_reading": python_ns, "m_readings_per_s": 1e3 / python_ns}
    if river_ns:
        yield {"case": "river-four", "ns_per_reading": river_ns, "m_readings_per_s": 1e3 / river_ns}
    yield {"case": "copyto", "gb_per_s": copy_gb_s}
    yield {"case": "state", "bytes_per_series": state_b}
    yield {"case": "condition-of-two", "ns_per_reading": _conditions_ns(n_series, batches)}
    for name, shape in SHAPES.items():
        made = [stream.batch(shape(rng, n_series)) for _ in range(batches)]
        ns = _ns_per_reading(bank, made)
        # What must move at least: each series' state in and out, and the columns of the batch.
        moved = 2 * state_b * len(np.unique(made[0].series)) / len(made[0]) + 21
        yield {
            "case": name,
            "ns_per_reading": ns,
            "m_readings_per_s": 1e3 / ns,
            "times_python": python_ns / ns,
            **({"times_river": river_ns / ns} if river_ns else {}),
            "fraction_of_copyto": moved / ns / copy_gb_s,
        }


def conditions(n_devices: int) -> Plan:
    """Return a plan with the interlock D-10 on devices of two signals: series 2·device and 2·device + 1."""
    device = np.arange(n_devices, dtype=np.int32)
    signals = np.arange(2 * n_devices, dtype=np.int32)
    limits = Thresholds(
        rule=np.zeros(n_devices, np.int32),
        series=device,
        level=np.full(n_devices, 4, np.uint8),
        high=np.ones(n_devices, bool),
        limit=np.ones(n_devices),
        deadband=np.zeros(n_devices),
        on_delay=np.full(n_devices, 60 * SECOND, np.int64),
        off_delay=np.zeros(n_devices, np.int64),
        max_gap=np.full(n_devices, 180 * SECOND, np.int64),
    )
    interlock = Conditions(
        "production_running and not fan_running",
        subject_kind=SubjectKind.DEVICE,
        subject=device,
        inputs={"production_running": 2 * device, "fan_running": 2 * device + 1},
        max_age=dict.fromkeys(
            ("production_running", "fan_running"), np.full(n_devices, 180 * SECOND, np.int64)
        ),
        params={},
        limits=limits,
    )
    read = Derived("value", signals, {}, Thresholds.rows())
    return Plan(
        (Rule("D-10", "", ""),),
        inputs=(read,),
        conditions=(interlock,),
        gateway_of=np.zeros(len(signals), np.int32),
    )


def _conditions_ns(n_series: int, batches: int) -> float:
    """Return what a condition over two signals costs for each reading that it reads."""
    bank, rng = Bank(conditions(n_series // 2)), np.random.default_rng(6)
    made = []
    for n in range(batches):
        series = np.sort(rng.choice(n_series, min(20_000, n_series), replace=False)).astype(np.int32)
        t = np.full(len(series), _START + n * _PERIOD)
        # Production and its collector run together, but for one device in a hundred.
        value = ((series // 2 % 3 > 0) & (rng.random(len(series)) > 0.01)).astype(np.float64)
        made.append(Batch(series, t, value, np.full(len(series), Quality.GOOD, np.uint8)))
    return _ns_per_reading(bank, made)


def _ns_per_reading(bank: Bank, batches: list[Batch]) -> float:
    spent = []
    for batch in batches:
        began = time.process_time_ns()
        bank.step(batch, 0)
        spent.append((time.process_time_ns() - began) / len(batch))
    return statistics.median(spent)


def _copy_gb_s() -> float:
    """Return bytes read and written per ns by np.copyto, on arrays beyond the caches."""
    source, target = np.ones(16_000_000), np.empty(16_000_000)
    best = []
    for _ in range(5):
        began = time.process_time_ns()
        np.copyto(target, source)
        best.append(2 * source.nbytes / (time.process_time_ns() - began))
    return statistics.median(best)


def _python_ns(stream: Stream, n_series: int) -> float:
    """Return what the same seven methods cost in plain Python, as a programmer would write them."""
    from service.bench.python_seven import Seven

    rng = np.random.default_rng(4)
    seven_, spent = Seven(), []
    chosen = rng.choice(n_series, 1000, replace=False)
    for _ in range(6):
        batch = stream.batch(np.repeat(chosen, 10))
        rows = list(zip(batch.series.tolist(), batch.t.tolist(), batch.value.tolist(), strict=True))
        began = time.process_time_ns()
        for series, t, x in rows:
            seven_.take(series, t, x)
        spent.append((time.process_time_ns() - began) / len(rows))
    # In the first three the windows are not full yet.
    return statistics.median(spent[4:])


def _river_ns() -> float:
    """Return what river's nearest four cost per reading; 0 where it is not installed."""
    try:
        from river import drift, stats
    except ImportError:
        return 0.0

    def four() -> tuple[Any, ...]:
        return (
            stats.EWMean(0.05),
            stats.EWVar(0.05),
            drift.PageHinkley(mode="both"),
            stats.RollingQuantile(0.5, 32),
            stats.RollingIQR(32),
        )

    of = [four() for _ in range(1000)]
    rng, spent = np.random.default_rng(5), []
    for _ in range(6):
        values = rng.normal(50.0, 3.0, (len(of), 10)).tolist()
        found = 0
        began = time.process_time_ns()
        for models, readings in zip(of, values, strict=True):
            for x in readings:
                mean, var, shift, middle, spread = models
                d = x - mean.get()  # a chart compares with what was before the reading
                said = abs(d) > 6.0 * var.get() ** 0.5 or abs(x - middle.get()) > 10.0 * spread.get()
                for model in models:
                    model.update(x)
                found += said or shift.drift_detected
        spent.append((time.process_time_ns() - began) / (10 * len(of)))
    return statistics.median(spent[4:])
