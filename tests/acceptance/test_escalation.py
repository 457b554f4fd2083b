"""An alert that nobody answers climbs on time while the service runs, and exactly once over kill -9."""

import json
import time

import pytest
from acceptance.story import HIGH, Gateways, town
from acceptance.whole_service import WholeService, wait_for
from fakes.webhook import FakeWebhook

from core.time import SECOND

CONFIG = """
[alerts]
short_close = "red"
[alerts.ladders.red]
answer_s = 3.0
repeat_s = 0.0
feedback_s = 0.0
reach_s = 60.0
rungs = [{after_s = 5.0, area_roles = ["county_inspector"]}, {after_s = 18.0, roles = ["safety_director"]}]
"""
TIERS = [3 * SECOND, 5 * SECOND, 18 * SECOND]
ESCALATED = "SELECT now_ns FROM transition WHERE cause = 'escalate' ORDER BY seq"


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_ladder_is_climbed_on_time_and_once_although_the_pipeline_is_killed(tmp_path):
    with FakeWebhook() as hook:
        service = WholeService(tmp_path / "service", town=town(), hook=hook.url, config=CONFIG)
        try:
            gateways = Gateways(service.broker.port, ["g0"])
            now_ms = time.time_ns() // 10**6
            hot = {
                "readings": [{"m": "hopper_temperature", "ts": now_ms, "v": HIGH["hopper_temperature"] * 2}]
            }
            gateways.publish("g0", "fs/v1/g0/d0", json.dumps(hot))
            wait_for(lambda: service.rows(ESCALATED)[1:], 60, lambda: service.log("pipeline"))
            service.kill("pipeline")
            service.start("pipeline")
            wait_for(lambda: service.rows(ESCALATED)[2:], 60, lambda: service.log("pipeline"))
            ((alert, expected),) = service.rows("SELECT id, expected_ns FROM alert")
            told = "SELECT key FROM outbox WHERE step LIKE 'escalate-%%'"
            wait_for(lambda: hook.keys.keys() >= {key for (key,) in service.rows(told)}, 30)
            time.sleep(2)  # two more ticks, in which nothing may follow
            late = [
                at - expected - after for (at,), after in zip(service.rows(ESCALATED), TIERS, strict=True)
            ]
            assert all(0 <= ns < SECOND for ns in late), [ns / SECOND for ns in late]
            wanted = {
                f"{alert}:escalate-1-4-{tier}:{who}:webhook"
                for tier, people in enumerate(
                    (
                        ("safety_officer", "principal", "county_inspector"),
                        ("safety_officer", "principal", "county_inspector"),
                        ("safety_officer", "principal", "county_inspector", "safety_director"),
                    ),
                    1,
                )
                for who in people
            }
            assert {key for (key,) in service.rows(told)} == wanted
            service.fengsui("alerts", "ack", alert, "--by", "安全员")
            assert service.fengsui("audit", "verify").startswith("good: ")
            assert service.one("SELECT reached_ns > expected_ns FROM alert"), (
                "the watchdog knows of the receipt"
            )
            gateways.close()
        finally:
            service.close()
