"""A device that asks for it is told of what nobody wrote a rule for: from its readings to an alert with evidence."""

import numpy as np
import psycopg
import pytest
from pipeline_case import Running, import_town, until

from core.time import SECOND
from storage import evidence


@pytest.fixture
def running(database):
    import_town(database)
    pipeline = Running(database)
    yield pipeline
    pipeline.close()


def switch_on(running, code):
    device = running.feed.catalog.devices["gw-01", "dc-1"].id
    running.sql(
        "INSERT INTO registry_deviceparameter (device_id, parameter, value, reason) VALUES (%s, %s, 1, '')",
        device, f"{code}.on",
    )  # fmt: skip
    until(lambda: running.second(10) or running.feed.catalog.parameters)
    return device


def play(running, columns):
    """Let an instant every 10 s pass for each row, many in a batch."""
    keys = {signal: running.key(f"dc-1/{signal}") for signal in columns}
    n = len(next(iter(columns.values())))
    for first in range(0, n, 100):
        rows = range(first, min(first + 100, n))
        samples = [
            (key, running.now + (k - first + 1) * 10 * SECOND, columns[signal][k])
            for signal, key in keys.items()
            for k in rows
        ]
        running.now += len(rows) * 10 * SECOND
        running.pipeline.step(running.feed.delivery(samples, running.now))


def documents(running, alert):
    with psycopg.connect(running.dsn, autocommit=True) as connection:
        return evidence.of_alert(connection, alert.id)


def test_a_series_that_nothing_is_known_about_raises_when_it_changes(running):
    switch_on(running, "A-01")
    rng = np.random.default_rng(1)
    play(running, {"outlet_temperature": 40 + rng.normal(size=400)})
    assert "A-01" not in running.alerts()
    play(running, {"outlet_temperature": 55 + 3 * rng.normal(size=60)})
    alert = running.alerts()["A-01"]
    assert (alert.level.en, alert.subject) == ("blue", running.key("dc-1/outlet_temperature"))
    until(lambda: documents(running, alert))
    (document,) = documents(running, alert)
    assert document["value"] >= document["limit"] == 1.2
    assert document["series"][0]["signal"] == "outlet_temperature"


def test_signals_that_no_longer_go_together_raise_about_their_device(running):
    device = switch_on(running, "A-02")
    rng = np.random.default_rng(2)
    load = rng.normal(size=700)
    signals = {
        "outlet_temperature": 40 + load,
        "wind_speed": 18 + load + 0.1 * rng.normal(size=700),
        "fan_current": 30 + 2 * load + 0.1 * rng.normal(size=700),
    }
    signals["wind_speed"][600:] -= 6
    play(running, {signal: column[:600] for signal, column in signals.items()})
    assert "A-02" not in running.alerts()
    play(running, {signal: column[600:] for signal, column in signals.items()})
    alert = running.alerts()["A-02"]
    assert (alert.subject, alert.series) == (device, running.key("dc-1/wind_speed"))
