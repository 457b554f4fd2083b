"""What a gateway sends that is no reading becomes an alert about the gateway, and goes again."""

import pytest
from pipeline_case import Running, import_town

from core.reject import Reason, Reject
from core.time import SECOND


@pytest.fixture
def running(database):
    import_town(database)
    pipeline = Running(database)
    yield pipeline
    pipeline.close()


def test_a_sensor_that_says_850_degrees_is_an_alert_about_its_gateway_until_it_stops(running):
    gateway = running.feed.catalog.gateways["gw-01"].id
    running.second(60, hopper_temperature=30)
    running.now += 10 * SECOND
    refused = Reject(
        gateway, "fs/v1/gw-01/dc-1", b"{}", running.now, Reason.OUT_OF_RANGE, "850 is beyond 300"
    )
    sample = (running.key("dc-1/hopper_temperature"), running.now, 30.0)
    running.pipeline.step(running.feed.delivery([sample], running.now, [refused]))
    running.second(20, hopper_temperature=30)
    alert = running.alerts()["Q-03"]
    assert (alert.subject, alert.subject_kind.name, alert.level.en) == (gateway, "GATEWAY", "blue")
    assert (alert.value, alert.limit, bool(alert.level_now)) == (1.0, 1.0, True)
    running.second(660, hopper_temperature=30)
    assert not running.alerts()["Q-03"].level_now
