"""A gateway whose clock is wrong: the enterprise hears of it once, a restart does not repeat it, and it clears itself."""

import numpy as np
import pytest
from pipeline_case import Running, import_town

from core.time import SECOND


@pytest.fixture
def start(database):
    import_town(database)
    started = []

    def start(**more):
        started.append(Running(database, **more))
        return started[-1]

    yield start
    for one in started:
        one.close()


def hear(running, behind_s, n=6):
    """Let messages of the first gateway arrive, so old, one each 10 s."""
    gateway = running.feed.catalog.gateways["gw-01"].id
    for _ in range(n):
        heard = np.array([gateway], np.int32), np.array([int(behind_s * SECOND)], np.int64)
        running.skew.step(heard, running.now)
        running.second(10, hopper_temperature=30.0)


def q06(running):
    return running.sql("SELECT level, level_now, value, limit_value, unit FROM alert WHERE rule = 'Q-06'")


def n_transitions(running):
    return running.sql(
        "SELECT count(*) FROM transition t JOIN alert a ON a.id = t.alert WHERE a.rule = 'Q-06'"
    )[0][0]


def test_a_wrong_clock_is_one_alert_over_a_restart_and_clears_itself(start):
    running = start()
    hear(running, 1)
    assert q06(running) == []
    hear(running, 120, n=31)
    assert q06(running) == [(2, 2, 120.0, 60.0, "s")]
    assert running.sql(
        "SELECT count(*) FROM outbox WHERE alert = (SELECT id FROM alert WHERE rule = 'Q-06')"
    )[0][0]
    assert running.metrics.clocks_wrong._value.get() == 1
    now, n_before = running.now, n_transitions(running)
    running.close()
    again = start(now=now)
    hear(again, 120)
    assert (len(q06(again)), n_transitions(again)) == (1, n_before)
    hear(again, 0, n=31)
    assert q06(again)[0][1] == 0
    assert again.metrics.clocks_wrong._value.get() == 0
