"""What an alert rests on is kept with it, and can be drawn."""

import json
import os
import subprocess
import sys
from xml.etree import ElementTree as ET

import psycopg
import pytest
from pipeline_case import ROOT, Running, import_town, until

from core.time import SECOND
from storage import evidence


@pytest.fixture
def running(database):
    import_town(database)
    pipeline = Running(database)
    yield pipeline
    pipeline.close()


def documents(running, rule):
    with psycopg.connect(running.dsn, autocommit=True) as connection:
        return evidence.of_alert(connection, running.alerts()[rule].id)


def gathered(running, rule, n=1):
    until(lambda: len(documents(running, rule)) >= n)
    return documents(running, rule)


def test_a_condition_is_kept_with_the_readings_of_all_its_signals_and_the_rule(running):
    running.second(600, production_running=0, fan_running=0, hopper_temperature=30)
    running.second(80, production_running=1, fan_running=0, hopper_temperature=30)
    alert = running.alerts()["D-10"]
    (document,) = gathered(running, "D-10")
    assert document["rule"]["code"] == "D-10"
    assert document["rule"]["version"] == alert.rule_version
    assert "production_running" in document["rule"]["condition"]
    assert document["before"] == {"state": "normal", "level": None}
    assert document["after"] == {"state": "unack", "level": "red", "cause": "open"}
    shown = {one["signal"]: one for one in document["series"]}
    assert set(shown) == {"production_running", "fan_running"}
    assert shown["production_running"]["t_ms"][-1] == alert.last_raise // 10**6
    # Ten minutes, or sixty readings where they are more: here one each ten seconds.
    assert len(shown["production_running"]["value"]) == 60
    assert shown["production_running"]["value"][-7:] == [1.0] * 7


def test_a_limit_is_kept_with_its_steps_and_every_rise_has_its_own(running):
    running.second(60, hopper_temperature=62.5)
    running.second(60, hopper_temperature=75.5)
    first, second = gathered(running, "LIMIT", 2)
    assert (first["after"]["level"], second["after"]["level"]) == ("orange", "red")
    assert second["before"]["level"] == "orange"
    assert (second["value"], second["limit"]) == (75.5, 70.0)
    assert [step["limit"] for step in second["rule"]["limits"]] == [60.0, 70.0]
    assert first["series"][0]["value"][-1] == 62.5, "as it was then"


def test_what_a_method_made_of_the_readings_is_kept_beside_them(running):
    for n in range(40):
        running.second(10, device="meter-1", cable_temperature=30 + n)
    (document,) = gathered(running, "E-04-R")
    (curve,) = document["seen"]
    assert (curve["name"], curve["unit"], curve["params"]) == (
        "slope(cable_temperature)",
        "℃/s",
        {"window_s": 180.0},
    )
    assert document["value"] == pytest.approx(0.1)
    assert curve["value"] == pytest.approx([0.1] * len(curve["value"]))
    assert curve["t_ms"][-1] == document["series"][0]["t_ms"][-1]
    assert document["rule"]["limits"] == [
        {
            "level": "orange",
            "side": "high",
            "limit": 0.05,
            "deadband": 0.01,
            "on_delay_s": 120.0,
            "off_delay_s": 0.0,
        }
    ]


def test_of_a_condition_the_curve_of_every_method_in_it_is_kept(running):
    running.second(3600, hopper_temperature=30)
    for n in range(42):
        running.second(10, hopper_temperature=30 + n)
    (document,) = gathered(running, "D-03")
    curves = {curve["name"]: curve for curve in document["seen"]}
    assert set(curves) == {"slope(hopper_temperature, 180)", "step(hopper_temperature, 14400)"}
    assert curves["slope(hopper_temperature, 180)"]["value"][-1] * 60 >= document["rule"]["numbers"]["rise"]
    assert (
        curves["step(hopper_temperature, 14400)"]["value"][-1] > document["rule"]["numbers"]["above_normal"]
    )


def test_numbers_of_the_device_are_told_as_its_own(running):
    running.sql(
        "INSERT INTO registry_deviceparameter (device_id, parameter, value, reason) VALUES (%s, 'E-01.red', 40, '')",
        running.feed.catalog.devices["gw-01", "meter-1"].id,
    )
    until(lambda: running.second(10, fan_running=1) or running.feed.catalog.parameters)
    running.second(30, device="meter-1", residual_current=45)
    (document,) = gathered(running, "E-01")
    assert (document["rule"]["numbers"]["red"], document["rule"]["overridden"]) == (40.0, ["red"])
    assert document["limit"] == 40.0


def test_gathering_twice_changes_nothing(running):
    running.second(60, device="meter-1", residual_current=600)
    before = gathered(running, "E-01")
    with psycopg.connect(running.dsn, autocommit=True) as connection:
        evidence.write(connection, running.alerts()["E-01"].id, 1, {"other": 1}, now=running.now + SECOND)
    assert documents(running, "E-01") == before


def test_the_command_line_draws_it(running, tmp_path):
    running.second(120, device="meter-1", residual_current=600)
    gathered(running, "E-01")
    alert, plot = running.alerts()["E-01"], tmp_path / "evidence.svg"
    done = subprocess.run(
        [sys.executable, "-m", "service.cli", "alerts", "show", alert.id, "--json", "--plot", str(plot)],
        cwd=ROOT, env=os.environ | {"FENGSUI_DATABASE__DSN": running.dsn}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["evidence"] == documents(running, "E-01")
    drawing = ET.fromstring(plot.read_text("utf-8"))
    kinds = [element.tag.rpartition("}")[2] for element in drawing.iter()]
    assert "polyline" in kinds
    assert any("E-01" in (text.text or "") for text in drawing.iter() if text.tag.endswith("text"))
    assert any(line.get("class") == "limit" for line in drawing.iter())
