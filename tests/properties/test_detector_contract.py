"""The laws of detectors/contract.py, held against every detector; a new one adds a line to SPECIMENS."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive.cases import CASES
from naive.material import SECOND, START, Stream, close_state, joined, lines, same_state

from core.batch import Batch
from core.events import Rule
from detectors.anomaly import Anomaly, Watched
from detectors.anomaly_score import Tuning
from detectors.bank import Bank
from detectors.plan import Derived, Plan, Silences, Thresholds
from detectors.staleness import Staleness

N_SERIES = 12
GATEWAY_OF = np.array([0, *(1 + i % 3 for i in range(N_SERIES))], np.int32)


def thresholds():
    """Three levels on two sides, delays, several rules on one series, a series without any."""
    rows = []
    for series in range(1, N_SERIES):
        rows += [
            {"rule": 0, "series": series, "level": 2, "limit": 60.0, "deadband": 20.0, "max_gap": 60 * SECOND,
             "on_delay": series % 3 * 7 * SECOND, "off_delay": series % 2 * 9 * SECOND},
            {"rule": 0, "series": series, "level": 4, "limit": 85.0, "deadband": 5.0},
        ]  # fmt: skip
        if series % 2:
            low = {"rule": 0, "series": series, "level": 3, "limit": 15.0, "high": False, "deadband": 10.0}
            rows.append({**low, "max_gap": 90 * SECOND, "on_delay": 5 * SECOND})
            rows.append({"rule": 1, "series": series, "level": 1, "limit": 50.0, "off_delay": 30 * SECOND})
    return Thresholds.rows(rows)


def silences(rule=2):
    return Silences.rows([
        {"rule": rule, "subject": s, "level": 2, "allowed": (s % 4) * 6 * SECOND} for s in range(1, N_SERIES)
    ])  # fmt: skip


def gateway_silences(rule=3):
    return Silences.rows([
        {"rule": rule, "subject": 1, "level": 2, "allowed": 9 * SECOND},
        {"rule": rule, "subject": 2, "level": 3, "allowed": 13 * SECOND},
    ])  # fmt: skip


def plan():
    return Plan(
        rules=tuple(Rule(code, code, code) for code in ("LIMIT", "D-02", "Q-02", "Q-01")),
        thresholds=thresholds(),
        silences=silences(),
        gateway_silences=gateway_silences(),
        gateway_of=GATEWAY_OF,
    )


def limits_plan():
    return Plan(rules=(Rule("LIMIT", "", ""), Rule("D-02", "", "")), thresholds=thresholds())


def warm_anomaly():
    """Scores that are past their warm-up, so talkative that a few readings raise."""
    keys = np.arange(1, N_SERIES, dtype=np.int32)
    watched = Watched.of(keys, threshold=0.4)
    detector = Anomaly(watched, tuning=Tuning(window=8, lags=6, memory=40), refractory=2)
    long_ago = START - 1000 * SECOND + np.tile(np.arange(80), len(keys)) * SECOND
    values = np.random.default_rng(0).uniform(40, 60, 80 * len(keys))
    detector.step(Batch.of(np.repeat(keys, 80), long_ago, values), START)
    return detector


def scored_bank():
    """Limits, silence, and the general score past its warm-up. (Devices join series: tests/unit/test_bank_scores.py.)"""
    keys = np.arange(1, N_SERIES, dtype=np.int32)
    at = START - 1000 * SECOND + np.tile(np.arange(80), len(keys)) * SECOND
    known = Batch.of(np.repeat(keys, 80), at, np.random.default_rng(0).uniform(40, 60, 80 * len(keys)))
    everything = replace(plan(), scored=Watched.of(keys, rule=1, threshold=0.4))
    made = Bank(everything, now=START)
    made.step(known, START)
    return made


def methods_plan():
    """Every method on every series, each behind two limits; parameters that differ by series."""
    series = np.arange(1, N_SERIES, dtype=np.int32)
    tables = []
    for n, (name, (params, limit)) in enumerate(CASES.items()):
        rows = [
            {"rule": n, "series": row, "level": 2 + high, "limit": limit * (1 if high else -1), "high": high,
             "deadband": 0.1, "on_delay": 9 * SECOND * high}
            for row in range(len(series)) for high in (True, False)
        ]  # fmt: skip
        given = {key: np.array([values[s % 2] for s in series]) for key, values in params.items()}
        tables.append(Derived(name, series, given, Thresholds.rows(rows)))
    return Plan(rules=tuple(Rule(name, "", "") for name in CASES), derived=tuple(tables))


SPECIMENS = {
    "methods": (lambda: Bank(methods_plan(), now=START), Bank),
    "anomaly": (warm_anomaly, Anomaly),
    "scored": (scored_bank, Bank),
    "thresholds": (lambda: Bank(limits_plan(), now=START), Bank),
    "staleness": (
        lambda: Staleness(silences(), gateway_silences(), gateway_of=GATEWAY_OF, now=START),
        Staleness,
    ),
    "bank": (lambda: Bank(plan(), now=START), Bank),
}
every_detector = pytest.mark.parametrize("name", SPECIMENS)
deliveries = st.lists(
    st.tuples(
        st.lists(st.integers(0, N_SERIES + 2), max_size=30),
        st.lists(st.integers(0, N_SERIES + 2), max_size=30),
        st.integers(0, 20),
    ),
    min_size=1,
    max_size=12,
)


def ordered(*found):
    return sorted(
        (line for part in found for line in part), key=lambda line: (line[6], line[0], line[4], line[3])
    )


@every_detector
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), deliveries=deliveries)
def test_splitting_a_batch_changes_nothing(name, seed, deliveries):
    make, _ = SPECIMENS[name]
    whole, split = make(), make()
    stream, now = Stream(seed), START
    for first, second, passed_s in deliveries:
        now += passed_s * SECOND
        a, b = stream.batch(first), stream.batch(second)
        together = lines(whole.step(joined(a, b), now))
        apart = ordered(lines(split.step(a, now)), lines(split.step(b, now)))
        if name == "methods":  # scans and rounds round differently in the last digits
            assert [line[:8] for line in ordered(together)] == [line[:8] for line in apart]
        else:
            assert ordered(together) == apart
    (close_state if name == "methods" else same_state)(whole.snapshot(), split.snapshot())


@every_detector
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), deliveries=deliveries)
def test_a_restored_detector_goes_on_as_the_first_would(name, seed, deliveries):
    make, blank = SPECIMENS[name]
    first = make()
    stream, now = Stream(seed), START
    for one, other, passed_s in deliveries:
        now += passed_s * SECOND
        batch = stream.batch(one)
        first.step(batch, now)
        second = blank()
        second.restore(first.snapshot())
        same_state(first.snapshot(), second.snapshot())
        batch = stream.batch(other)
        assert lines(second.step(batch, now + SECOND)) == lines(first.step(batch, now + SECOND))
        same_state(first.snapshot(), second.snapshot())
        now += SECOND
        first = second


@every_detector
def test_a_snapshot_is_not_changed_by_what_follows_and_changes_nothing_when_written_to(name):
    make, blank = SPECIMENS[name]
    detector, stream = make(), Stream(1)
    detector.step(stream.batch(range(N_SERIES)), START + SECOND)
    taken = detector.snapshot()
    kept = {key: value.copy() for key, value in taken.items()}
    other = blank()
    other.restore(taken)
    for n in range(20):
        batch = stream.batch(range(N_SERIES))
        detector.step(batch, START + n * 5 * SECOND)
        other.step(batch, START + n * 5 * SECOND)
    same_state(taken, kept)
    before = detector.snapshot()
    for value in detector.snapshot().values():
        value.view(np.uint8).fill(7)
    same_state(detector.snapshot(), before)


@every_detector
def test_the_batch_is_left_as_it_was(name):
    detector, stream = SPECIMENS[name][0](), Stream(2)
    for n in range(10):
        batch = stream.batch(np.repeat(np.arange(N_SERIES), 5))
        kept = [getattr(batch, column).copy() for column in Batch.__slots__]
        detector.step(batch, START + n * SECOND)
        for column, value in zip(Batch.__slots__, kept, strict=True):
            np.testing.assert_array_equal(getattr(batch, column), value)


@every_detector
def test_an_empty_batch_says_nothing_and_changes_nothing_at_one_instant(name):
    detector, stream = SPECIMENS[name][0](), Stream(3)
    detector.step(stream.batch(range(N_SERIES)), START + SECOND)
    before = detector.snapshot()
    assert not len(detector.step(Batch.empty(), START + SECOND))
    same_state(detector.snapshot(), before)


@every_detector
def test_series_that_nobody_configured_are_ignored(name):
    detector = SPECIMENS[name][0]()
    before = detector.snapshot()
    events = detector.step(Stream(4).batch([N_SERIES + 3, 5000]), START)
    assert not len(events)
    same_state(detector.snapshot(), before)


@every_detector
def test_memory_does_not_grow_with_samples(name):
    detector, stream = SPECIMENS[name][0](), Stream(5)

    def held():
        return sum(value.nbytes for value in detector.snapshot().values())

    before = held()
    for n in range(30):
        detector.step(stream.batch(np.repeat(np.arange(N_SERIES), 40)), START + n * SECOND)
    assert held() == before


@every_detector
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e15, -1e15, 0.0, -0.0, 5e-324])
def test_every_float_is_ordinary_input(name, value):
    detector = SPECIMENS[name][0]()
    t = START + np.arange(1, 6) * SECOND
    for n in range(3):
        batch = Batch.of(np.full(5, 3, np.int32), t + n * 10 * SECOND, np.full(5, value))
        events = detector.step(batch, START + n * SECOND)
        assert (events.kind >= 1).all()
