"""The simulated town: pure in time, silent when nothing is wrong, and wrong in ways that the limits see."""

import json
import math
from collections import defaultdict
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from core.errors import TownError
from detectors.rulebook import read_packs, shipped
from registry import signals
from simulators import census, town
from simulators.gateway import Reading, messages
from simulators.incident import KINDS, SCRIPT, Incident, Place
from simulators.meter import Meter
from simulators.shift import DAY_S, day_shift, local_hour, round_the_clock, two_shifts
from simulators.town_process import Clock

SUNDAY_NOON = 1_795_320_000.0  # 2026-11-22 12:00 in China
MONDAY = SUNDAY_NOON + 12 * 3_600  # local midnight
FILE = town.read()
RULES = {
    r.code: r for r in read_packs(shipped(), {name: one.unit for name, one in signals.catalogue().items()})
}


def make(**kinds):
    return town.Town(FILE, **{"seed": 1, "start": MONDAY, "calm": True} | kinds)


def limits_of(place):
    """The limits of one signal, with the template's rule: the device's own series replaces it."""
    templates = {template["name"]: template["series"] for template in FILE["template"]}
    device = device_of(place)
    series = {one["signal"]: one for one in templates[device["template"]]}
    series |= {one["signal"]: one for one in device.get("series", ())}
    return series[place.signal].get("limits", [])


def device_of(place):
    (device,) = (d for d in FILE["device"] if (d["gateway"], d["code"]) == (place.gateway, place.device))
    return device


def watched_by(place):
    """The limits of one signal, and what the shipped rules hold its readings against."""
    return [*limits_of(place), *of_rules(device_of(place)["profile"], place.signal)]


@cache
def of_rules(profile, signal):
    """The limits of rules about the reading itself; of the pressure drop, which is judged while the fan runs, that of D-06."""
    if signal == "differential_pressure":
        return [{"high": RULES["D-06"].parameters["upper"], "on_delay_s": 60.0}]
    mine = [r for r in RULES.values() if (r.signal, r.method) == (signal, "value") and profile in r.of]
    return [
        {
            "high" if entry.high else "low": rule.numbers.get(entry.limit, entry.limit),
            "on_delay_s": entry.on_delay_s,
        }
        for rule in mine
        for entry in rule.raises
    ]


def beyond(limit, value):
    """At the limit is beyond it, of switches too."""
    return value >= limit["high"] if "high" in limit else value <= limit["low"]


# ── the file ──────────────────────────────────────────────────────────────────
def test_the_committed_town_is_what_the_census_writes():
    assert Path(town.__file__).with_suffix(".toml").read_text("utf-8") == census.text()


def test_the_town_has_twenty_enterprises_with_every_kind_of_device():
    assert len(FILE["enterprise"]) == len({one["code"] for one in FILE["enterprise"]}) == 20
    assert {device["profile"] for device in FILE["device"]} == {
        "dry_dust_collector", "wet_dust_collector", "load_meter", "welder",
    }  # fmt: skip


def test_every_signal_is_in_the_catalogue_and_every_value_in_its_physical_range():
    model = make()
    for sensor in model.sensors:
        known = signals.find(sensor.place.signal)
        assert known is not None, sensor.place
        for hour in range(0, 24, 3):
            assert known.low <= sensor.value(MONDAY + hour * 3_600.0) <= known.high, sensor.place


def test_people_are_roles_and_every_one_can_be_reached_by_the_log():
    for contact in FILE["contact"]:
        assert contact["addresses"] == {"log": "-"}
    assert {contact["role"] for contact in FILE["contact"]} >= {
        "safety_officer",
        "street_inspector",
        "duty_officer",
    }


def test_a_signal_without_a_model_is_refused_by_name():
    file = FILE | {"device": [FILE["device"][0] | {"series": [{"signal": "phlogiston"}]}]}
    with pytest.raises(TownError, match=r"gw-01/dc-1: a dry_dust_collector gives no 'phlogiston'"):
        town.Town(file, seed=1, start=MONDAY)


# ── purity ────────────────────────────────────────────────────────────────────
def test_the_same_seed_gives_the_same_readings_in_any_order_of_asking():
    later_first = make(calm=False)
    later = later_first.due(MONDAY + 600, MONDAY + 660)
    earlier = later_first.due(MONDAY, MONDAY + 60)
    other = make(calm=False)
    assert other.due(MONDAY, MONDAY + 60) == earlier
    assert other.due(MONDAY + 600, MONDAY + 660) == later


def test_another_seed_gives_another_town():
    assert make(seed=2).due(MONDAY, MONDAY + 30) != make(seed=1).due(MONDAY, MONDAY + 30)


def test_asking_in_pieces_gives_every_reading_once():
    model = make(calm=False)
    whole = model.due(MONDAY, MONDAY + 47.3)
    edges = [0.0, 0.4, 0.401, 7.77, 30.0, 47.3]
    pieces = [reading for a, b in pairwise(edges) for reading in model.due(MONDAY + a, MONDAY + b)]
    assert sorted(pieces, key=repr) == sorted(whole, key=repr)
    assert len({(r.gateway, r.device, r.signal, r.t) for r in whole}) == len(whole)


def test_every_sensor_keeps_its_period():
    model = make()
    instants = defaultdict(list)
    for r in model.due(MONDAY, MONDAY + 600):
        instants[Place(r.gateway, r.device, r.signal)].append(r.t)
    for sensor in model.sensors:
        mine = instants[sensor.place]
        if sensor.period_ms:
            assert len(mine) == 600_000 // sensor.period_ms, sensor.place
            assert {round((b - a) * 1_000) for a, b in pairwise(mine)} <= {sensor.period_ms}


def test_a_signal_told_on_change_is_told_when_it_changes_and_sometimes_in_between():
    model = make()
    (sensor,) = (s for s in model.sensors if s.place == Place("gw-02", "dc-1", "spark_detected"))
    (kind,) = (kind for kind in KINDS if kind.signal == "spark_detected")
    spark = Incident(kind, sensor.place, MONDAY + 100.5)
    told = list(town._sampled(sensor, [spark], round(MONDAY * 1_000), round((MONDAY + 299) * 1_000)))
    assert [r.value for r in told if r.t > MONDAY + 90][:2] == [1.0, 0.0]
    assert len(told) == 3  # once without any change


# ── what the models do ────────────────────────────────────────────────────────
def test_a_calm_town_never_passes_a_limit():
    model = make()
    watched = [(sensor, watched_by(sensor.place)) for sensor in model.sensors]
    watched = [(sensor, limits) for sensor, limits in watched if limits]
    assert len(watched) > 250
    for minute in range(0, 2 * 24 * 60, 20):
        for sensor, limits in watched:
            value = town.shown(sensor, [], round((SUNDAY_NOON + 60 * minute) * 1_000))
            assert not any(beyond(limit, value) for limit in limits), (sensor.place, minute, value)


@pytest.mark.parametrize("make_shifts", [day_shift, two_shifts, round_the_clock])
def test_lagged_is_the_solution_of_the_first_order_lag(make_shifts):
    shifts, tau_s, step_s = make_shifts(3), 900.0, 2.0
    y, t = shifts.lagged(MONDAY, tau_s), MONDAY
    for _ in range(int(DAY_S / step_s)):
        y += (float(shifts.on(t)) - y) * (1 - math.exp(-step_s / tau_s))
        t += step_s
        if t % 3_600 == 0:
            assert y == pytest.approx(shifts.lagged(t, tau_s), abs=0.005), local_hour(t)


def test_day_shifts_rest_at_noon_at_night_and_on_sundays():
    shifts = day_shift(1)
    on = [shifts.on(MONDAY + hour * 3_600) for hour in (3, 9, 12.5, 15, 20)]
    assert on == [False, True, False, True, False]
    assert not any(shifts.on(MONDAY - hour * 3_600) for hour in range(1, 24))


def test_the_collector_runs_before_the_first_machine_and_after_the_last_one():
    plant = make().plants["gw-02"]
    plant = type(plant)(plant.code, plant.seed, day_shift(plant.seed))
    (first, _), (_, last) = plant.shifts.of_day(int((MONDAY + 8 * 3_600) // DAY_S))
    assert plant.fan_on(first - 300)
    assert plant.fan_on(last + 600)
    assert not plant.fan_on(first - 3_600)
    assert not plant.fan_on(last + 3_600)


def test_the_energy_counter_never_goes_back_and_agrees_with_the_power():
    meter = Meter.of("meter-1", make().plants["gw-01"])
    step_s = 300
    counts = [meter.energy_kwh(MONDAY + k * step_s) for k in range(289)]
    assert all(a <= b for a, b in pairwise(counts))
    drawn = sum(meter.active_power_kw(MONDAY + k * step_s) * step_s / 3_600 for k in range(288))
    assert counts[-1] - counts[0] == pytest.approx(drawn, rel=0.1)


# ── what goes wrong ───────────────────────────────────────────────────────────
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.signal], ids=lambda kind: kind.name)
def test_every_kind_of_incident_holds_a_limit_for_longer_than_its_delay(kind):
    model = make()
    places = [sensor for sensor in model.sensors if sensor.place.signal == kind.signal]
    assert places
    start = next(t for hour in range(24) if _busy(model, places[0], t := MONDAY + 3_600.0 * hour))
    incident = Incident(kind, places[0].place, start)
    times = [start + s for s in range(int(kind.hold_s) + 1)]
    values = [town.shown(places[0], [incident], round(t * 1_000)) for t in times]
    held = [
        sum(beyond(limit, value) for value in values) > limit.get("on_delay_s", 0)
        for limit in watched_by(places[0].place)
    ]
    assert any(held)


def _busy(model, sensor, t):
    return model.plants[sensor.place.gateway].load(t) > 0.5


def test_the_first_hopper_is_red_within_forty_seconds_at_any_hour():
    for hour in range(0, 24, 5):
        start = MONDAY + hour * 3_600.0
        readings = make(calm=False, start=start).due(start, start + 40)
        hopper = [
            r for r in readings if (r.gateway, r.device, r.signal) == ("gw-01", "dc-1", "hopper_temperature")
        ]
        delays = {limit["level"]: limit for limit in limits_of(Place("gw-01", "dc-1", "hopper_temperature"))}
        for level in ("orange", "red"):
            above = [r.t for r in hopper if r.value > delays[level]["high"]]
            assert above[-1] - above[0] >= delays[level]["on_delay_s"], (hour, level)


def test_a_silent_gateway_says_nothing_and_then_speaks_again():
    model = make(calm=False)
    (silence,) = (one for one in model.story.incidents(MONDAY + 310) if not one.kind.signal)
    during = model.due(silence.start + 1, silence.end - 1)
    assert silence.place.gateway not in {r.gateway for r in during}
    assert silence.place.gateway in {r.gateway for r in model.due(silence.end, silence.end + 60)}


def test_incidents_go_on_for_ever_a_few_minutes_apart():
    model = make(calm=False)
    starts = sorted(
        {one.start for hour in range(1, 25) for one in model.story.incidents(MONDAY + 3_600 * hour)}
    )
    gaps = [b - a for a, b in pairwise(starts)]
    assert len(starts) > 150
    assert min(gaps) > 60
    assert max(gaps) < 1_600


def test_the_script_names_devices_that_exist():
    devices = {(device["gateway"], device["code"]) for device in FILE["device"]}
    assert {(line.gateway, line.device) for line in SCRIPT if line.gateway} <= devices


# ── the wire and the clock ────────────────────────────────────────────────────
def test_messages_are_rows_per_device_as_the_wire_page_says():
    readings = [
        Reading("gw-1", "dc-1", "hopper_temperature", 1_795_222_800.0, 41.5),
        Reading("gw-1", "dc-1", "fan_running", 1_795_222_800.25, 1.0),
        Reading("gw-1", "meter-1", "current_a", 1_795_222_801.0, 12.0),
    ]
    (first, second) = messages(readings)
    assert first[:2] == ("gw-1", "fs/v1/gw-1/dc-1")
    assert json.loads(first[2]) == {
        "readings": [
            {"m": "hopper_temperature", "ts": 1_795_222_800_000, "v": 41.5},
            {"m": "fan_running", "ts": 1_795_222_800_250, "v": 1.0},
        ]
    }
    assert second[1] == "fs/v1/gw-1/meter-1"


def test_speed_makes_the_town_faster_but_gateways_stamp_with_the_wall_clock():
    clock = Clock(start=1_000.0, speed=10.0)
    assert clock.town(1_006.0) == 1_060.0
    assert clock.stamped(Reading("g", "d", "s", 1_060.0, 1.0)).t == 1_006.0
