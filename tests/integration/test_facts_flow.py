"""A shutdown order is entered while the pipeline works: production under it is red, after a restart too."""

import pytest
from pipeline_case import Running, import_town, until

from core.time import MINUTE, SECOND, to_datetime

ENTER = """INSERT INTO registry_fact (kind, enterprise_id, valid_from, valid_to, reference)
    SELECT 'shutdown_order', enterprise_id, %s, %s, '2026-7' FROM registry_gateway WHERE code = 'gw-01'"""


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


def enter(running, begin, end):
    """Enter an order, and go on until its series are there and the pipeline has taken them over."""
    running.sql(ENTER, to_datetime(begin), to_datetime(end))

    def known():
        running.second(10, production_running=1, fan_running=1)
        return "shutdown_order" in running.feed.catalog.devices["gw-01", "dc-1"].facts

    until(known)


def produce(running, minutes):
    running.second(60 * minutes, production_running=1, fan_running=1)


def test_production_under_an_order_is_red_until_it_ends(start):
    running = start()
    enter(running, running.now - MINUTE, running.now + 60 * MINUTE)
    produce(running, 4)
    assert "E-20" not in running.alerts()
    produce(running, 2)
    alert = running.alerts()["E-20"]
    assert (alert.level, alert.level_now) == (4, 4)
    (key,) = {
        key for d, key in [("dc-1", running.feed.catalog.devices["gw-01", "dc-1"].facts["shutdown_order"])]
    }
    running.sql("UPDATE registry_fact SET valid_to = %s", to_datetime(running.now))
    until(lambda: produce(running, 1) or running.alerts()["E-20"].level_now == 0)
    assert running.sql("SELECT value FROM sample WHERE series_id = %s ORDER BY time", key) == [(1.0,), (0.0,)]
    for gateway, received, rest in running.sql(
        "SELECT gateway, received, stored + duplicate + rejected FROM ledger"
    ):
        assert received == rest, gateway


def test_an_order_that_begins_later_begins_at_its_instant(start):
    running = start()
    begin = running.now + 30 * MINUTE + 3 * SECOND
    enter(running, begin, begin + 60 * MINUTE)
    produce(running, 32)
    key = running.feed.catalog.devices["gw-01", "dc-1"].facts["shutdown_order"]
    found = running.sql(
        "SELECT (extract(epoch FROM time) * 1000)::bigint, value FROM sample WHERE series_id = %s ORDER BY time",
        key,
    )
    assert [value for _, value in found] == [0.0, 1.0]
    # Ten seconds pass between two deliveries here, more than a change may be seen late to count from its instant.
    assert abs(found[1][0] - begin // 10**6) <= 10_000


def test_killed_and_started_again_between_order_and_alert(start):
    first = start()
    enter(first, first.now - MINUTE, first.now + 60 * MINUTE)
    produce(first, 3)
    first.close()
    second = start(now=first.now)
    said, before = second.pipeline.facts.snapshot(), first.pipeline.facts.snapshot()
    assert {name: column.tolist() for name, column in said.items()} == {
        n: c.tolist() for n, c in before.items()
    }
    produce(second, 1)
    assert "E-20" not in second.alerts()
    produce(second, 2)
    assert second.alerts()["E-20"].level_now == 4
    assert second.sql(
        "SELECT count(*) FROM sample s JOIN registry_series r ON r.id = s.series_id WHERE r.signal = 'shutdown_order' AND r.device_id = 1"
    ) == [(1,)]


def test_no_gateway_can_send_a_fact(start):
    running = start()
    enter(running, running.now - MINUTE, running.now + 60 * MINUTE)
    device = running.feed.catalog.devices["gw-01", "dc-1"]
    assert "shutdown_order" not in device.series
    assert running.feed.catalog.gateway[device.facts["shutdown_order"]] == 0
