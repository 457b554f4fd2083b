"""Recordings: what a mapping makes of a CSV, when each row is due, and what is refused."""

import gzip
import json
import tomllib
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from core.errors import ConfigError
from core.time import DAY, HOUR, SECOND, from_datetime
from registry.importer.toml_form import read_toml
from service.cli import application
from simulators.mapping import find, load, shipped, town_of
from simulators.recording import Recording, Row
from simulators.replay import At, Pace, message, shift_ns

MAPPING = """
title = "t"
town = "t.town.toml"
gateway = "gw"
device = "d-1"
[time]
column = "when"
format = "%d.%m.%Y %H:%M:%S"
zone = "Asia/Shanghai"
[columns]
a = "current_a"
b = { signal = "voltage_a", scale = 10.0, offset = 1.0 }
"""
CSV = "when,a,b,c\n01.02.2026 08:00:00,1.5,2,x\n01.02.2026 08:00:01,,nan,x\n01.02.2026 08:00:03,3,inf,x\n"
START = from_datetime(datetime(2026, 2, 1, tzinfo=UTC))
RUNS = """
title = "t"
town = "t.town.toml"
gateway = "gw"
device = "d-{run:02d}"
[time]
column = "s"
format = "seconds"
start = 2026-02-01T08:00:00+08:00
[run]
column = "run"
gap_s = 30
[columns]
a = "current_a"
"""
RUNS_CSV = "run,s,a\n1,0.1,1\n1,0.2,2\n2,0.1,3\n2,12.5,4\n3,0,5\n"


def recording(folder, mapping=MAPPING, text=CSV, runs=None):
    (folder / "m.toml").write_text(mapping)
    (folder / "m.csv").write_text(text)
    return Recording(folder / "m.csv", load(folder / "m.toml"), runs)


# ── rows ──────────────────────────────────────────────────────────────────────
def test_cells_become_values_on_the_mappings_scale_and_no_number_is_left_out(tmp_path):
    assert list(recording(tmp_path).rows()) == [
        Row(2, START, "d-1", {"current_a": 1.5, "voltage_a": 21.0}),
        Row(3, START + SECOND, "d-1", {}),
        Row(4, START + 3 * SECOND, "d-1", {"current_a": 3.0}),
    ]


def test_a_survey_counts_rows_values_and_empty_cells(tmp_path):
    survey = recording(tmp_path).survey()
    assert (survey.n_rows, survey.n_values, survey.n_empty) == (3, 3, 3)
    assert (survey.first, survey.last) == (START, START + 3 * SECOND)


def test_gzipped_files_are_read_likewise(tmp_path):
    plain = recording(tmp_path)
    packed = tmp_path / "m.csv.gz"
    packed.write_bytes(gzip.compress(CSV.encode()))
    assert list(Recording(packed, plain.mapping).rows()) == list(plain.rows())


def test_runs_follow_each_other_and_each_has_its_own_device(tmp_path):
    rows = list(recording(tmp_path, RUNS, RUNS_CSV).rows())
    assert [(row.device, (row.t - START) / SECOND) for row in rows] == [
        ("d-01", 0.1), ("d-01", 0.2), ("d-02", 30.3), ("d-02", 42.7), ("d-03", 72.7),
    ]  # fmt: skip


def test_a_run_has_the_same_times_when_others_are_left_out(tmp_path):
    alone = list(recording(tmp_path, RUNS, RUNS_CSV, {2}).rows())
    whole = [row for row in recording(tmp_path, RUNS, RUNS_CSV).rows() if row.device == "d-02"]
    assert alone == whole
    assert alone


@pytest.mark.parametrize(
    ("mapping", "text", "said"),
    [
        (MAPPING, "when,a\n", "line 1: has no column b; it has when, a"),
        (MAPPING, CSV.replace("08:00:01", "8 Uhr"), "line 3 when: '01.02.2026 8 Uhr' is no time"),
        (RUNS, RUNS_CSV.replace("2,12.5", "two,12.5"), "line 5 run: 'two' is no number of a run"),
        (RUNS, "run,s,a\n", "holds no row to replay"),
        (MAPPING + "d = 1\n", CSV, "Expected `str | object`, got `int`"),
        (MAPPING.replace('title = "t"', 'titel = "t"'), CSV, "unknown field `titel`"),
        (MAPPING.replace("Asia/Shanghai", "Mars/Olympus"), CSV, "'Mars/Olympus' is no zone"),
        (MAPPING.replace('"d-1"', '"d-{run}"'), CSV, "goes with a table"),
        (RUNS.replace("start = 2026-02-01T08:00:00+08:00", ""), RUNS_CSV, "seconds need it"),
        (RUNS.replace("+08:00", ""), RUNS_CSV, "has no zone"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(tmp_path, mapping, text, said):
    with pytest.raises(ConfigError) as refused:
        recording(tmp_path, mapping, text).survey()
    assert said in str(refused.value)


def test_a_mapping_that_is_not_there_names_those_that_are():
    with pytest.raises(ConfigError, match="filter_clogging, transformer_oil, transformer_voltage"):
        find("nothing")


# ── what ships ────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", shipped())
def test_every_shipped_mapping_has_a_town_with_its_devices_and_signals(name):
    path = find(name)
    mapping = load(path)
    town = tomllib.loads(town_of(mapping, path).read_text("utf-8"))
    assert not read_toml(town_of(mapping, path).read_text("utf-8"), name).errors
    templates = {template["name"]: template["series"] for template in town.get("template", ())}
    assert {gateway["code"] for gateway in town["gateway"]} == {mapping.gateway}
    for device in town["device"]:
        series = [*templates.get(device.get("template"), ()), *device.get("series", ())]
        assert {column.signal for column in mapping.signals().values()} <= {one["signal"] for one in series}
    wanted = {mapping.device.format(run=run) for run in (range(1, 21) if mapping.run else (0,))}
    assert {device["code"] for device in town["device"]} == wanted


# ── pace and times ────────────────────────────────────────────────────────────
def test_pace_keeps_the_spacing_and_cuts_long_pauses():
    pace = Pace(speed=10.0, longest_wait_s=5.0)
    due = [pace.due_s(t * SECOND) for t in (100, 110, 115, 1_000, 1_010)]
    assert due == [0.0, 1.0, 1.5, 6.5, 7.5]


def test_infinite_speed_makes_every_row_due_at_once():
    pace = Pace(speed=float("inf"))
    assert [pace.due_s(t) for t in (0, DAY, 300 * DAY)] == [0.0, 0.0, 0.0]


def test_times_are_shifted_whole(tmp_path):
    survey = recording(tmp_path).survey()
    now = START + 5 * HOUR + 123_456
    assert shift_ns(At.ORIGINAL, survey, speed=1, now=now) == 0
    assert survey.last + shift_ns(At.NOW, survey, speed=1e6, now=now) == START + 5 * HOUR
    assert survey.first + shift_ns(At.LIVE, survey, speed=1, now=now) == START + 5 * HOUR


def test_live_faster_than_life_is_refused_because_it_would_run_into_the_future(tmp_path):
    (tmp_path / "m.csv").write_text("")
    long = recording(tmp_path, text=CSV + "01.02.2026 09:00:00,1,1,x\n").survey()
    with pytest.raises(ConfigError, match="--at now"):
        shift_ns(At.LIVE, long, speed=2, now=START)


def test_a_row_is_one_message_of_rows():
    topic, payload = message(Row(2, START, "d-1", {"current_a": 1.5, "voltage_a": 21.0}), "gw", 7 * SECOND)
    ts = (START + 7 * SECOND) // 1_000_000
    assert topic == "fs/v1/gw/d-1"
    assert json.loads(payload)["readings"] == [
        {"m": "current_a", "ts": ts, "v": 1.5},
        {"m": "voltage_a", "ts": ts, "v": 21.0},
    ]


# ── the command ───────────────────────────────────────────────────────────────
def test_registry_prints_the_town_that_the_mapping_needs(tmp_path):
    done = CliRunner().invoke(
        application(), ["replay", str(tmp_path / "x.csv"), "--mapping", "filter_clogging", "--registry"]
    )
    assert done.exit_code == 0, done.output
    assert len(tomllib.loads(done.output)["device"]) == 20


@pytest.mark.parametrize("wrong", [["--speed", "0"], ["--at", "noon"], ["--runs", "1-x"]])
def test_options_that_make_no_sense_are_refused(tmp_path, wrong):
    done = CliRunner().invoke(
        application(), ["replay", str(tmp_path / "x.csv"), "--mapping", "filter_clogging", *wrong]
    )
    assert done.exit_code == 2
