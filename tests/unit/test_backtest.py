"""Readings of the past through limits and rules: which alarms there would have been, and how it is told."""

import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest
from fakes.one_enterprise import ONE_ENTERPRISE
from typer.testing import CliRunner

from core.batch import Batch
from core.errors import ConfigError, TownError
from core.events import SubjectKind
from core.levels import Level
from core.time import DAY, SECOND
from service.backtest import Alarm, pieces, plan_for, play, readings_of, summary
from service.cli.rules import app
from service.config import Rules, Watch
from service.rules import rules_of
from service.town_catalog import catalog_of
from simulators.mapping import load
from simulators.recording import Recording

TOWN = (
    ONE_ENTERPRISE
    + """
[[gateway]]
code = "gw-1"
enterprise = "E1"
[[device]]
gateway = "gw-1"
code = "dc-1"
name = "1号除尘器"
profile = "dry_dust_collector"
parameters = { "D-02.red" = 75 }
series = [
  { signal = "hopper_temperature", period_s = 10 },
  { signal = "outlet_temperature", period_s = 10, limits = [{ level = "yellow", high = 50 }] },
]
"""
)
MAPPING = """
title = "a hopper"
town = "town.toml"
gateway = "gw-1"
device = "dc-1"
[time]
column = "at"
[columns]
hopper = "hopper_temperature"
outlet = "outlet_temperature"
"""
T0 = "2026-01-01T08:{:02d}:{:02d}"


@pytest.fixture
def recorded(tmp_path):
    """Ten minutes in which the hopper is at 65, then 72, 76, and back at 40; the outlet at 51 for a minute."""
    hopper = [40] * 12 + [65] * 12 + [72] * 6 + [76] * 6 + [40] * 24
    outlet = [30] * 30 + [51] * 6 + [30] * 24
    lines = [
        f"{T0.format(n // 6, n % 6 * 10)},{a},{b}"
        for n, (a, b) in enumerate(zip(hopper, outlet, strict=True))
    ]
    (tmp_path / "town.toml").write_text(TOWN, "utf-8")
    (tmp_path / "mapping.toml").write_text(MAPPING, "utf-8")
    file = tmp_path / "hopper.csv"
    file.write_text("\n".join(["at,hopper,outlet", *lines]), "utf-8")
    return SimpleNamespace(file=file, mapping=tmp_path / "mapping.toml", folder=tmp_path)


def backtest(recorded, *words):
    done = CliRunner().invoke(
        app, ["backtest", str(recorded.file), "--mapping", str(recorded.mapping), "--json", *words]
    )
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_recording_is_told_by_its_rules_limits_and_numbers(recorded):
    found = backtest(recorded)
    assert (found["readings"], found["devices"], found["from"]) == (120, 1, "2026-01-01T00:00:00+00:00")
    first = {
        alarm["rule"]: (alarm["level"], alarm["raised"][14:19], alarm["value"]) for alarm in found["alarms"]
    }
    assert first == {
        "D-01": ("orange", "02:30", 65.0),
        "D-02": ("red", "05:10", 76.0),  # its own number is 75
        "LIMIT": ("yellow", "05:00", 51.0),
    }
    ends = {alarm["rule"]: alarm["cleared"] for alarm in found["alarms"]}
    assert ends["LIMIT"] == "2026-01-01T00:06:00+00:00"
    assert ends["D-02"] is None, "its off-delay is longer than the recording"


def test_another_number_another_profile_and_another_pack_can_be_tried(recorded):
    assert "D-02" not in {a["rule"] for a in backtest(recorded, "--set", "D-02.red=80")["alarms"]}
    assert {a["rule"] for a in backtest(recorded, "--profile", "other")["alarms"]} == {"LIMIT"}
    pack = recorded.folder / "mine.yaml"
    pack.write_text(
        "pack: mine\nrules:\n  - id: X-1\n    title: {zh: 甲, en: a}\n    of: [dry_dust_collector]\n"
        "    signal: outlet_temperature\n    unit: ℃\n    raise: [{level: red, above: 51}]\n    source: ours\n",
        "utf-8",
    )
    assert "X-1" in {a["rule"] for a in backtest(recorded, "--rules", str(pack))["alarms"]}


def test_a_picture_is_drawn(recorded):
    out = recorded.folder / "alarms.png"
    backtest(recorded, "--plot", str(out))
    assert out.read_bytes().startswith(b"\x89PNG")


def test_what_contradicts_itself_is_refused(recorded):
    for words in ([], ["--from", "now", str(recorded.file)], [str(recorded.file)]):
        done = CliRunner().invoke(app, ["backtest", *words])
        assert done.exit_code == 2
        assert "--from" in done.output
    done = CliRunner().invoke(
        app, ["backtest", str(recorded.file), "--mapping", str(recorded.mapping), "--set", "D-99.x=1"]
    )
    assert "no rule has D-99.x" in done.output


def test_a_signal_that_the_town_does_not_have_is_refused(recorded):
    catalog = catalog_of(TOWN.replace('"outlet_temperature"', '"inlet_temperature"'))
    with pytest.raises(ConfigError, match="line 2"):
        readings_of([Recording(recorded.file, load(recorded.mapping))], catalog)


def test_a_town_that_leans_on_a_registry_is_refused():
    with pytest.raises(TownError, match="does not define"):
        catalog_of(TOWN.replace('area = "1"', 'area = "2"'))


def test_it_does_not_matter_how_a_recording_is_cut(recorded, monkeypatch):
    catalog = catalog_of(TOWN)
    batch = readings_of([Recording(recorded.file, load(recorded.mapping))], catalog)
    plan = plan_for(catalog, Watch(), rules_of(Rules()))
    whole = play(plan, pieces(batch))
    monkeypatch.setattr("service.backtest._PIECE", 7)
    parts = list(pieces(batch))
    assert len(parts) > 10
    assert sum(map(len, parts)) == len(batch)
    for one, other in itertools.pairwise(parts):
        assert one.t.max() < other.t.min()
    assert play(plan, parts) == whole


def test_a_level_that_rises_is_one_alarm_with_the_highest():
    catalog = catalog_of(TOWN.replace("high = 50 }", 'high = 50 }, { level = "red", high = 60 }'))
    t = np.arange(6) * 10 * SECOND
    outlet = catalog.devices["gw-1", "dc-1"].series["outlet_temperature"]
    batch = Batch.of(np.full(6, outlet), t, np.array([40.0, 55, 65, 55, 40, 40]))
    (alarm,) = play(plan_for(catalog, Watch(), ()), [batch])
    assert (alarm.level, alarm.raised, alarm.cleared) == (Level.RED, 10 * SECOND, 40 * SECOND)


def test_a_summary_counts_per_device_and_day():
    def alarm(subject, raised, cleared):
        return Alarm(
            "X", "", Level.BLUE, SubjectKind.SERIES, subject, subject, raised, raised, cleared, 1.0, 1.0
        )

    (line,) = summary(
        [alarm(1, 0, DAY // 2), alarm(1, DAY, 0), alarm(2, DAY, DAY + DAY // 2)],
        begin=0,
        end=2 * DAY,
        n_devices=5,
    )
    assert (line.raises, line.subjects, line.first) == (3, 2, 0)
    assert line.per_device_day == pytest.approx(3 / 2 / 5)
    assert line.share == pytest.approx((0.5 + 1 + 0.5) / 2 / 2)
