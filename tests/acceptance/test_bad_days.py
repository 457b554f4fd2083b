"""Bad input between good readings, a database that is away, a broker that is away: nothing stops, nothing is lost."""

import json
import os
import time
from collections import Counter

import pytest
from acceptance.story import GATEWAYS, Gateways, messages, town
from acceptance.whole_service import WholeService, wait_for
from fakes.webhook import FakeWebhook

OUTAGE_S = float(os.environ.get("FENGSUI_TEST_OUTAGE_S", "10"))
TOPIC = "fs/v1/g0/d0"
GOOD = '"m": "hopper_temperature"'


def kinds(now_ms):
    """(topic, payload, the reasons it must be rejected for), twenty of them; none holds a good reading."""
    future, ancient = now_ms + 3_600_000, now_ms - 400 * 86_400_000
    return [
        (TOPIC, b"", ["bad_json"]),
        (TOPIC, b"{", ["bad_json"]),
        (TOPIC, b"\xff\xfe\x00", ["not_utf8"]),
        (TOPIC, b"null", ["bad_shape"]),
        (TOPIC, b'"text"', ["bad_shape"]),
        (TOPIC, b"17", ["bad_shape"]),
        (TOPIC, b'{"x": 1}', ["bad_shape"]),
        (TOPIC, f'{{{GOOD}, "ts": {now_ms}, "v": "41"}}'.encode(), ["not_a_number"]),
        (TOPIC, f'{{{GOOD}, "ts": {now_ms}, "v": null}}'.encode(), ["not_a_number"]),
        (TOPIC, f'{{{GOOD}, "ts": {now_ms}, "v": 1e301}}'.encode(), ["not_a_number"]),
        (TOPIC, f'{{{GOOD}, "ts": {now_ms}, "v": 9999}}'.encode(), ["out_of_range"]),
        (TOPIC, f'{{{GOOD}, "ts": {future}, "v": 40}}'.encode(), ["future_time"]),
        (TOPIC, f'{{{GOOD}, "ts": {ancient}, "v": 40}}'.encode(), ["too_old"]),
        (TOPIC, f'{{{GOOD}, "ts": "now", "v": 40}}'.encode(), ["bad_time"]),
        (TOPIC, f'{{{GOOD}, "ts": -5, "v": 40}}'.encode(), ["bad_time"]),
        (TOPIC, f'{{"m": "unheard_of", "ts": {now_ms}, "v": 40}}'.encode(), ["unknown_series"]),
        ("fs/v1/g0/nobody", f'{{{GOOD}, "ts": {now_ms}, "v": 40}}'.encode(), ["unknown_device"]),
        ("fs/v1/nobody/d0", f'{{{GOOD}, "ts": {now_ms}, "v": 40}}'.encode(), ["unknown_gateway"]),
        (TOPIC, f'{{"t0": {now_ms}, "dt": [0, 1], "series": {{"hopper_temperature": [1]}}}}'.encode(), ["bad_shape"]),
        (TOPIC, b'{"readings": [' + b" " * 300_000 + b"]}", ["too_large"]),
    ]  # fmt: skip


@pytest.fixture
def service(tmp_path):
    with FakeWebhook() as hook:
        service = WholeService(tmp_path, town=town(), hook=hook.url)
        yield service
        service.close()


@pytest.fixture
def gateways(service):
    gateways = Gateways(service.broker.port, [f"g{g}" for g in range(GATEWAYS)])
    yield gateways
    gateways.close()


@pytest.mark.slow
def test_a_thousand_malformed_messages_of_twenty_kinds_stop_and_slow_nothing(service, gateways):
    now_ms = time.time_ns() // 10**6
    bad = kinds(now_ms)
    assert len(bad) == 20
    good = list(messages(50, now_ms - 60_000))
    for n in range(1000):
        topic, payload, _ = bad[n % 20]
        gateways.publish("g0", topic, payload)
        gateways.publish(*good[n])
    n_good = 1000 * 10
    wait_for(lambda: service.one("SELECT coalesce(sum(received), 0) FROM ledger") >= n_good + 1000, 60)
    assert service.one("SELECT count(*) FROM sample") == n_good
    expected = Counter({})
    for _, _, reasons in bad:
        expected.update(dict.fromkeys(reasons, 50))
    assert dict(service.rows("SELECT reason, count(*) FROM reject GROUP BY 1")) == dict(expected)
    assert service.one("SELECT count(*) FROM rejects WHERE payload IS NULL") == 0
    for _, received, stored, duplicate, rejected in service.rows("SELECT * FROM ledger"):
        assert received == stored + duplicate + rejected
    assert service.programs["pipeline"].poll() is None


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["postgres", "broker"])
def test_a_server_that_is_away_for_long_under_load_costs_nothing_and_comes_back(service, gateways, victim):
    story = list(messages(400, time.time_ns() // 10**6 - 500_000))
    away_at, back_at = None, None
    began = time.monotonic()
    for n, message in enumerate(story):
        gateways.publish(*message)
        time.sleep(
            max(0.0, began + n * OUTAGE_S * 2 / len(story) - time.monotonic())
        )  # the load's own schedule
        if away_at is None and n > len(story) // 8:
            service.kill(victim)
            away_at = time.monotonic()
        elif away_at and back_at is None and time.monotonic() - away_at >= OUTAGE_S:
            service.start(victim)
            back_at = time.monotonic()
    if back_at is None:
        service.start(victim)
    wait_for(lambda: gateways.acked >= len(story), 60)
    wait_for(lambda: service.one("SELECT coalesce(sum(stored), 0) FROM ledger") >= len(story) * 10, 90)
    assert service.one("SELECT count(*) FROM sample") == len(story) * 10
    assert all(program.poll() is None for program in service.programs.values()), (
        "nobody had to be started again"
    )
    wait_for(lambda: service.ask("pipeline", "/readyz")[0] == 200, 30)
    assert json.loads(service.ask("pipeline", "/status")[1])["ledger"]["rejected"] == 0
