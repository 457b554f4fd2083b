"""The detector core on one core: seven methods on every reading, against twins measured in the same run.

Figures of one run compare with each other; alone they say as much about the machine's other work as about us.
Times are the process's own (CPU), medians over batches; nothing is published, stored or sent. The twins keep all
series too and are given the same readings in the same run, one by one as they arrive. The bank needs them in order
of series: that is measured as well, and counts against it where it is compared.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.batch import Batch, Quality
from core.events import Rule, SubjectKind
from core.time import SECOND
from detectors.bank import Bank
from detectors.plan import Conditions, Derived, Plan, Thresholds
from ingest.order import ordering

_START = 1_767_225_600 * SECOND
_PERIOD = 10 * SECOND
_SOME = 5000  # readings of each of five batches that the twins are given
_ENOUGH = 500_000  # readings that the bank is given at least
Shape = Callable[[np.random.Generator, int], NDArray[np.int64]]
Take = Callable[[int, int, float], object]  # series, t, value

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


class Arrived(NamedTuple):
    """Readings in the order in which they came: of each series in order of time, the series mixed."""

    series: NDArray[np.int32]
    t: NDArray[np.int64]
    value: NDArray[np.float64]

    def one_by_one(self) -> list[tuple[int, int, float]]:
        """Return them as plain numbers."""
        return list(zip(self.series.tolist(), self.t.tolist(), self.value.tolist(), strict=True))

    def ordered(self) -> Batch:
        """Return them as the bank gets them."""
        order = ordering(self.series, self.t)
        quality = np.full(len(order), Quality.GOOD, np.uint8)
        return Batch(self.series[order], self.t[order], self.value[order], quality)


class Stream:
    """Readings of a quiet plant: normal noise around 50, every ten seconds."""

    def __init__(self, n_series: int, start: int = _START) -> None:
        self._rng = np.random.default_rng(2)
        self._last = np.full(n_series, start, np.int64)

    def next(self, series: NDArray[np.int64]) -> Arrived:
        """Return one reading for every entry of `series`."""
        series = np.sort(series)
        first = np.flatnonzero(np.r_[True, series[1:] != series[:-1]])
        count = np.diff(first, append=len(series))
        nth = np.arange(len(series)) - np.repeat(first, count) + 1
        # Whichever places of the order of arrival are a series', its readings take them in turn.
        came = series[self._rng.permutation(len(series))].astype(np.int32)
        t = np.empty(len(series), np.int64)
        t[np.argsort(came, kind="stable")] = self._last[series] + nth * _PERIOD
        self._last[series[first]] += count * _PERIOD
        return Arrived(came, t, self._rng.normal(50.0, 3.0, len(series)))


def run(n_series: int = 100_000, *, batches: int = 15) -> Iterator[dict[str, Any]]:
    """Yield the figures of every shape, of the twins and of memory bandwidth."""
    bank, stream = Bank(seven(n_series)), Stream(n_series)
    rng = np.random.default_rng(3)
    # Windows of 32 must be full, or Hampel has nothing to do; and no two series at the same point of their cycle.
    for _ in range(58):
        bank.step(stream.next(np.flatnonzero(rng.random(n_series) < 0.75)).ordered(), 0)
    state_b = sum(array.nbytes for array in bank.snapshot().values()) / n_series
    copy_gb_s = _copy_gb_s()
    yield {"case": "copyto", "gb_per_s": copy_gb_s}
    yield {"case": "state", "bytes_per_series": state_b}
    yield {"case": "condition-of-two", "ns_per_reading": _conditions_ns(n_series, batches)}
    for name, twin in _twins(min(n_series, 1000)).items():
        rows = stream.next(np.repeat(np.arange(min(n_series, 1000)), 10))
        yield {"case": f"{name}, 1000 series in the cache", **_figures(_one_by_one_ns(twin, rows))}
    twins = _twins(n_series)
    for name, shape in SHAPES.items():
        made = [stream.next(shape(rng, n_series)) for _ in range(batches)]
        while (
            sum(len(batch.t) for batch in made) < _ENOUGH
        ):  # or small batches would find the bank in no cache at all
            made.append(stream.next(shape(rng, n_series)))
        order_ns, ns = _bank_ns(bank, made)
        twin_ns = {
            twin: statistics.median(_one_by_one_ns(take, arrived, _SOME) for arrived in made[:5])
            for twin, take in twins.items()
        }
        # What must move at least: each series' state in and out, and the columns of the batch.
        moved = 2 * state_b * len(np.unique(made[0].series)) / len(made[0].t) + 21
        yield {
            "case": name,
            **_figures(ns),
            "order_ns": order_ns,
            **{f"{twin}_ns": spent for twin, spent in twin_ns.items()},
            **{f"times_{twin}": spent / (order_ns + ns) for twin, spent in twin_ns.items()},
            "fraction_of_copyto": moved / ns / copy_gb_s,
        }


def _figures(ns: float) -> dict[str, float]:
    return {"ns_per_reading": ns, "m_readings_per_s": 1e3 / ns}


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


def _bank_ns(bank: Bank, made: list[Arrived]) -> tuple[float, float]:
    """Return ns per reading of bringing batches in order, and of the bank."""
    order_ns, bank_ns = [], []
    for arrived in made:
        began = time.process_time_ns()
        batch = arrived.ordered()
        cut = time.process_time_ns()
        bank.step(batch, 0)
        order_ns.append((cut - began) / len(batch))
        bank_ns.append((time.process_time_ns() - cut) / len(batch))
    return statistics.median(order_ns), statistics.median(bank_ns)


def _one_by_one_ns(take: Take, arrived: Arrived, most: int | None = None) -> float:
    """Return what a reading costs a twin; it is given the first `most`."""
    rows = arrived.one_by_one()[:most]
    began = time.process_time_ns()
    for series, t, x in rows:
        take(series, t, x)
    return (time.process_time_ns() - began) / len(rows)


def _twins(n_series: int) -> dict[str, Take]:
    """Return plain Python and, where it is installed, river; both have seen every series often enough."""
    from service.bench.python_seven import Seven

    twins: dict[str, Take] = {"python": Seven().take}
    four = _river_four()
    if four:
        twins["river"] = four
    warm = Stream(n_series, _START - 100 * _PERIOD)
    for _ in range(33):
        for series, t, x in warm.next(np.arange(n_series)).one_by_one():
            for take in twins.values():
                take(series, t, x)
    gc.freeze()  # what they remember is no work for the collector
    return twins


def _river_four() -> Take | None:
    """Return river's nearest four behind limits, one set for each series; None where it is not installed."""
    try:
        from river import drift, stats
    except ImportError:
        return None
    of: dict[int, tuple[Any, ...]] = {}

    def take(series: int, _t: int, x: float) -> bool:
        models = of.get(series)
        if models is None:
            models = of[series] = (
                stats.EWMean(0.05),
                stats.EWVar(0.05),
                drift.PageHinkley(mode="both"),
                stats.RollingQuantile(0.5, 32),
                stats.RollingIQR(32),
            )
        mean, var, shift, middle, spread = models
        d = x - mean.get()  # a chart compares with what was before the reading
        said = abs(d) > 6.0 * var.get() ** 0.5 or abs(x - middle.get()) > 10.0 * spread.get()
        for model in models:
            model.update(x)
        return bool(said or shift.drift_detected)

    return take
