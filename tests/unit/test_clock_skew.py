"""A gateway's clock is judged by the ages of its messages; a backlog is no wrong clock."""

import numpy as np

from core.time import DAY, SECOND
from ingest.columns import Message, Tolerance
from ingest.decode import Decoder
from ingest.skew import ENOUGH, Skew
from tests.fakes.gateways import NOW, NOW_MS, TOPIC, catalog, one

CLOCK = 4


def heard(*pairs):
    return np.array([pair[0] for pair in pairs], np.int32), np.array([pair[1] for pair in pairs], np.int64)


def told(ages_s, every_s=10):
    """Return {gateway: skew} after one message of gateway CLOCK each `every_s`."""
    skew = Skew()
    for number, age_s in enumerate(ages_s):
        skew.step(heard((CLOCK, round(age_s * SECOND))), NOW + number * every_s * SECOND)
    found = skew.estimates()
    return dict(zip(found.gateway.tolist(), found.skew_s.tolist(), strict=True))


def test_a_clock_that_is_behind_or_ahead_is_told_by_its_median():
    assert told([3600.2, 3600.1, 3600.3, 3600.2, 3605.0]) == {CLOCK: 3600.2}
    assert told([-90.0] * 9) == {CLOCK: -90.0}


def test_nothing_is_said_of_who_was_hardly_heard():
    assert told([3600.0] * (ENOUGH - 1)) == {}


def test_one_outlier_is_no_skew():
    assert told([0.1, 0.1, 5000.0, 0.1, 0.1, 0.1]) == {CLOCK: 0.1}


def test_a_backlog_spreads_and_says_nothing():
    assert told([86_400 - 900 * number for number in range(20)]) == {}


def test_many_messages_at_once_count_once():
    assert told([7200.0] * 200 + [0.0] * 20, every_s=0.01) == {}


def test_beyond_a_limit_is_who_should_be_told():
    skew = Skew()
    for number in range(ENOUGH):
        skew.step(heard((1, 0), (2, 61 * SECOND), (3, -400 * SECOND)), NOW + number * 10 * SECOND)
    assert skew.estimates().beyond(60.0).tolist() == [2, 3]


def test_rejected_readings_tell_of_a_clock_that_is_ahead_and_those_without_a_time_nothing():
    decoder = Decoder((("fs/v1/+/+", "native"),), catalog(), tolerance=Tolerance(age=DAY))
    payloads = (one(ts=NOW_MS + 3_600_000), one(ts=NOW_MS - 5000), one(ts=None))
    rows = decoder.decode([Message(TOPIC, payload, NOW) for payload in payloads], NOW)
    gateway, age = rows.heard
    assert (gateway.tolist(), age.tolist()) == ([1, 1], [-3600 * SECOND, 5 * SECOND])
    assert [str(reject.reason) for reject in rows.rejects] == ["future_time"]
