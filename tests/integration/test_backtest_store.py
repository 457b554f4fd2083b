"""The store's own history, played again through the rules, gives the alerts that there were."""

import json
import os
import subprocess
import sys

import pytest
from pipeline_case import ROOT, Running, import_town

from core.time import SECOND, to_datetime


@pytest.fixture
def running(database):
    import_town(database)
    pipeline = Running(database)
    yield pipeline
    pipeline.close()


def backtest(running, *words):
    done = subprocess.run(
        [sys.executable, "-m", "service.cli", "rules", "backtest", "--json", *words],
        cwd=ROOT, env=os.environ | {"FENGSUI_DATABASE__DSN": running.dsn}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_was_raised_live_is_raised_again_and_a_number_can_be_tried(running):
    begin = to_datetime(running.now).isoformat()
    running.second(300, production_running=0, fan_running=0, hopper_temperature=30)
    running.second(120, production_running=1, fan_running=0, hopper_temperature=75)
    running.second(300, production_running=0, fan_running=0, hopper_temperature=30)
    end = to_datetime(running.now + SECOND).isoformat()
    live = {rule: alert.last_raise for rule, alert in running.alerts().items()}
    assert {"D-10", "LIMIT"} <= set(live)
    found = backtest(running, "--from", begin, "--to", end, "--device", "gw-01/dc-1")
    assert (found["readings"], found["devices"]) == (3 * 72, 1)
    raised = {alarm["rule"]: alarm["raised"] for alarm in found["alarms"]}
    silent = {"Q-01", "Q-02"}  # a silence is not played
    assert raised == {rule: to_datetime(t).isoformat() for rule, t in live.items() if rule not in silent}
    tried = backtest(running, "--from", begin, "--to", end, "--set", "D-10.hold=600")
    assert {alarm["rule"] for alarm in tried["alarms"]} == set(raised) - {"D-10"}
    assert backtest(running, "--from", end, "--to", "now")["readings"] == 0
