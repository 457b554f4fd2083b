"""Every detector says exactly what its naive twin says, on batches of every shape."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from naive.material import SECOND, SHAPES, Stream, lines, shape
from naive.naive_staleness import NaiveStaleness
from naive.naive_threshold import NaiveThreshold

from core.events import Rule
from detectors.bank import Bank
from detectors.plan import Plan, Silences, Thresholds
from detectors.staleness import Staleness


def random_limits(rng, n_series):
    rows = []
    for series in rng.permutation(np.arange(1, n_series + 1)).tolist():
        for rule in range(int(rng.integers(series < 10, 3))):
            slots = {(int(rng.integers(1, 5)), bool(rng.integers(2))) for _ in range(rng.integers(1, 6))}
            rows += [
                {
                    "rule": rule,
                    "series": series,
                    "level": level,
                    "high": high,
                    "limit": float(50 + level * 8 if high else 50 - level * 8),
                    "deadband": float(rng.choice([0.0, 3.0, 20.0])),
                    "on_delay": int(rng.choice([0, 5, 30])) * SECOND,
                    "off_delay": int(rng.choice([0, 5, 30])) * SECOND,
                    "max_gap": int(rng.choice([0, 30, 120])) * SECOND,
                }
                for level, high in sorted(slots)
            ]
    return rows


def naive_lines(events):
    return [
        (rule, kind, level, 1, series, series, t, since, x, None if math.isnan(limit) else limit, historical)
        for t, rule, series, kind, level, since, x, limit, historical in events
    ]


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("seed", range(3))
def test_thresholds_equal_their_twin(name, seed):
    rng = np.random.default_rng(seed)
    rows = random_limits(rng, 2000)
    rules = tuple(Rule(str(n), "", "") for n in range(2))
    fast, slow = Bank(Plan(rules, Thresholds.rows(rows))), NaiveThreshold(rows)
    stream = Stream(seed)
    found = 0
    for _ in range(4):
        batch = stream.batch(shape(rng, name))
        events = lines(fast.step(batch, 0))
        assert events == naive_lines(slow.step(batch, 0))
        found += len(events)
    assert found > 20


@pytest.mark.parametrize("seed", range(20))
def test_staleness_equals_its_twin(seed):
    rng = np.random.default_rng(seed)
    n = 40
    gateway_of = {s: int(rng.integers(0, 8)) for s in range(1, n)}
    enterprise_of = {g: int(rng.integers(0, 4)) for g in range(8)} | {0: 0}

    def silence(rule, level, most):
        """Some are not watched, some never get worse."""
        worse, later = int(rng.integers(3)) and level + 1, int(rng.integers(most, 3 * most))
        return rule, level, int(rng.integers(0, most)) * SECOND, worse, later * SECOND

    series = {s: silence(int(rng.integers(2)), 2, 25) for s in range(1, n)}
    gateways = {g: silence(2, 3, 15) for g in range(1, 8)}
    enterprises = {e: silence(3, 2, 20) for e in range(1, 4)}

    def table(rows):
        names = ("rule", "level", "allowed", "worse", "worse_after")
        return Silences.rows([{"subject": k, **dict(zip(names, v, strict=True))} for k, v in rows.items()])

    fast = Staleness(
        table(series), table(gateways), table(enterprises),
        gateway_of=np.array([0, *gateway_of.values()], np.int32), enterprise_of=np.array([*enterprise_of.values()], np.int32),
    )  # fmt: skip
    slow = NaiveStaleness(series, gateways, gateway_of, enterprises, enterprise_of)
    stream, now, found = Stream(seed), 0, 0
    for n_step in range(300):
        now += int(rng.choice([0, 1, 2, 9])) * SECOND + int(rng.integers(3))
        speaking = [s for s, g in gateway_of.items() if rng.random() < 0.3 and (g + n_step // 25) % 3]
        batch = stream.batch(speaking)
        said = [
            (e.t, e.rule, e.subject, e.subject_kind, e.kind, e.level, e.series, e.since, e.value)
            for e in _rows(fast.step(batch, now))
        ]
        assert sorted(said) == sorted(slow.step(batch, now))
        found += len(said)
    assert found > 50


def _rows(events):
    return [
        SimpleNamespace(**dict(zip(events.__slots__, row, strict=True)))
        for row in zip(*(getattr(events, name).tolist() for name in events.__slots__), strict=True)
    ]
