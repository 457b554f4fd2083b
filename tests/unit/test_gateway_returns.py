"""A gateway that was away tells one story, not one per sensor (law 8)."""

import numpy as np

from core.batch import Batch
from core.events import Kind, SubjectKind
from core.time import SECOND
from detectors.plan import Silences
from detectors.staleness import Staleness

N = 40
ALLOWED = 180 * SECOND
START = 1_795_222_800 * SECOND


def detector():
    rows = [{"rule": 0, "subject": s, "level": 2, "allowed": ALLOWED} for s in range(1, N + 1)]
    gateway = [{"rule": 1, "subject": 1, "level": 2, "allowed": ALLOWED}]
    gateway_of = np.r_[0, np.ones(N)].astype(np.int32)
    return Staleness(Silences.rows(rows), Silences.rows(gateway), gateway_of=gateway_of, now=START)


def told(staleness, seconds, speaking):
    """Step second by second; `speaking(second)` gives the series that are heard; return (second, kind, of, subject)."""
    found = []
    for second in seconds:
        now = START + second * SECOND
        series = np.array(sorted(speaking(second)), np.int32)
        batch = Batch.of(series, np.full(len(series), now), np.ones(len(series)))
        events = staleness.step(batch, now)
        rows = zip(events.kind.tolist(), events.subject_kind.tolist(), events.subject.tolist(), strict=True)
        found += [(second, Kind(kind), SubjectKind(of), subject) for kind, of, subject in rows]
    return found


def test_a_gateway_that_was_away_for_five_minutes_is_one_alert_whatever_order_its_series_return_in():
    def speaking(second):
        if second < 60:
            return [1 + (second + k) % N for k in range(5)]
        return [second - 360 + 1] if 360 <= second < 360 + N else []

    events = told(detector(), range(1, 400), speaking)
    assert [(kind, of) for _, kind, of, _ in events] == [
        (Kind.RAISE, SubjectKind.GATEWAY),
        (Kind.CLEAR, SubjectKind.GATEWAY),
    ]


def test_a_series_that_does_not_come_back_with_its_gateway_is_told_after_its_allowance():
    def speaking(second):
        if 60 <= second < 360:
            return []
        return range(1, N + 1) if second < 60 else range(1, N)

    events = told(detector(), range(1, 700), speaking)
    assert [event for event in events if event[2] == SubjectKind.SERIES] == [
        (360 + 182, Kind.RAISE, SubjectKind.SERIES, N)
    ]


def test_a_silent_series_behind_a_living_gateway_is_told_at_once_after_its_allowance():
    events = told(detector(), range(1, 400), lambda second: range(1, N + 1) if second < 100 else range(1, N))
    assert events == [(99 + 182, Kind.RAISE, SubjectKind.SERIES, N)]
