"""Town files, as far as no database is needed: reading, checking, planning."""

import re
from pathlib import Path

import pytest

from registry import signals
from registry.importer.checks import check
from registry.importer.csv_form import read_csv
from registry.importer.export import export_toml
from registry.importer.plan import plan
from registry.importer.toml_form import read_toml
from registry.importer.town import KINDS, TownRejectedError

DOCS = (Path(__file__).parents[2] / "docs/registry.md").read_text("utf-8")
TOML = re.search(r"```toml\n(.*?)```", DOCS, re.DOTALL)[1]
CSV = re.search(r"```csv\n(.*?)```", DOCS, re.DOTALL)[1]
NOTHING = {kind: {} for kind in KINDS}
BASE = (
    '[[area]]\ncode = "1"\nname = "a"\nlevel = "street"\n[[enterprise]]\ncode = "E"\nname = "e"\narea = "1"\n'
)
GATEWAY = BASE + '[[gateway]]\ncode = "g"\nenterprise = "E"\n'
DEVICE = GATEWAY + '[[device]]\ngateway = "g"\ncode = "d"\nname = "n"\nprofile = "other"\n'
CONTACT = BASE + '[[contact]]\ncode = "c"\nname = "n"\nrole = "principal"\n'
FAN = DEVICE + '[[device.series]]\nsignal = "fan_running"\n'
WATER = DEVICE + '[[device.series]]\nsignal = "water_level"\n'
HEAD = "area,enterprise,gateway,device,signal"


def water(limits):
    return DEVICE + f'series = [{{ signal = "water_level", limits = [\n{limits}] }}]\n'


def problems(text, held=NOTHING):
    town = read_toml(text, "t.toml")
    check(town, held)
    return [(int(e.where.rpartition(" ")[2]), f"{e.problem}. {e.remedy}") for e in town.errors]


def held_after(text):
    """What a registry holds into which this text was imported, as far as the file says it."""
    todo = plan(read_toml(text, "t.toml"), NOTHING)
    plain = {"active": True, "enterprise": None, "area": None, "parent": None}
    return {kind: {key: {**plain, **row} for key, row in rows.items()} for kind, rows in todo.new.items()}


def test_documented_toml_is_good_and_all_new():
    town = read_toml(TOML, "t.toml")
    check(town, NOTHING)
    assert town.errors == []
    assert {kind: len(rows) for kind, rows in plan(town, NOTHING).new.items()} == {
        "area": 4, "enterprise": 1, "contact": 2, "gateway": 1, "device": 2, "series": 7,
    }  # fmt: skip


def test_documented_csv_stands_on_the_toml():
    town = read_csv(CSV, "t.csv")
    check(town, held_after(TOML))
    assert town.errors == []
    series = town.entries["series"]["gw-e02", "dc-1", "differential_pressure"]
    assert [(row.side, row.level, row.limit) for row in series.fields["limits"]] == [
        ("high", 3, 1500.0), ("low", 3, 300.0),
    ]  # fmt: skip
    assert town.entries["area"][("990101002",)].fields["parent"] == ("990101",)


def test_the_same_file_again_changes_nothing():
    assert not plan(read_toml(TOML, "t.toml"), held_after(TOML))


def test_a_series_of_the_device_replaces_the_templates():
    own = TOML.replace('signal = "bearing_temperature_2"', 'signal = "hopper_temperature"')
    limits = read_toml(own, "t").entries["series"]["gw-e01", "dc-1", "hopper_temperature"].fields["limits"]
    assert [(row.level, row.limit) for row in limits] == [(2, 70.0)]


def test_what_the_file_does_not_say_is_left_alone():
    held = held_after(TOML)
    silent = TOML.replace('place = "打磨车间"', "").replace("limits = [{", "# limits = [{")
    assert not plan(read_toml(silent, "t"), held).changed["device"]


def test_an_empty_list_of_limits_removes_them():
    without = re.sub(r"limits = \[\{ level = \"yellow\", high = 70.*?\}\]", "limits = []", TOML)
    changed = plan(read_toml(without, "t"), held_after(TOML)).changed["series"]
    assert changed == {("gw-e01", "dc-1", "bearing_temperature_2"): {"limits": ()}}


def test_missing_things_stay_unless_asked():
    held = held_after(TOML)
    shorter = TOML[: TOML.index('[[device]]\ngateway = "gw-e01"\ncode = "meter-1"')]
    assert not plan(read_toml(shorter, "t"), held)
    retired = plan(read_toml(shorter, "t"), held, retire_missing=True).retired
    assert retired["device"] == [("gw-e01", "meter-1")]
    assert len(retired["series"]) == 2
    assert retired["contact"] == []


def test_retiring_leaves_other_enterprises_alone():
    held = held_after(TOML + DEVICE.replace('code = "1"', 'code = "77"').replace('area = "1"', 'area = "77"'))
    assert ("g", "d") in held["device"]
    assert not any(plan(read_toml(TOML, "t"), held, retire_missing=True).retired.values())


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('[[area]]\ncode = "1"\nname =\n', 3, "not TOML"),
        ("[[erea]]\n", 1, "unknown table 'erea'. Did you mean area?"),
        ('[area]\ncode = "1"\n', 1, r"Write [[area]]"),
        ('[[area]]\nname = "x"\nlevel = "city"\n', 1, "an? area without code"),
        ('[[area]]\ncode = "1"\nname = "x"\nlevel = "town"\n', 4, "level = 'town', expected one of province"),
        ('[[area]]\ncode = "1"\nlevel = "city"\n', 1, "area 1 is new and has no name"),
        ('[[area]]\ncode = 1\nname = "x"\nlevel = "city"\n', 2, "code = 1, expected a code"),
        (BASE + '[[area]]\ncode = "1"\n', 9, "area 1 is there already, in line 1"),
        (BASE + '[[area]]\ncode = "2"\nname = "x"\nlevel = "city"\nparent = "1"\n', 13, "lies below area 1"),
        (BASE.replace('area = "1"', 'area = "7"'), 8, "refers to area 7, which is not there"),
        (BASE + "dust_workers = -3\n", 9, "a whole number"),
        (BASE + 'grade = "gren"\n', 9, "Did you mean green|blue, yellow, orange"),
        (BASE + 'indutry = "x"\n', 9, "Did you mean industry?"),
        (CONTACT, 9, "belongs to nobody"),
        (CONTACT + 'area = "1"\nenterprise = "E"\n', 13,
         "both an enterprise and an area"),
        (CONTACT + 'area = "1"\naddresses = { "No" = "x" }\n',
         14, "expected a channel"),
        (GATEWAY + 'zone = "Asia/Peking"\n', 12, "a time zone like"),
        (GATEWAY + "lenient = 1\n", 12, "true or false"),
        (DEVICE + 'template = "t"\n', 17, "no template 't'"),
        (DEVICE + "series = [\n{ period_s = 1 }]\n", 18, "a series without signal"),
        (DEVICE + 'series = [{ signal = "hopper_temperatur" }]\n', 17, "is not in registry/signals.toml"),
        (DEVICE + 'series = [{ signal = "fan_running" },\n{ signal = "fan_running" }]\n', 18, "already"),
        (FAN + "period_s = -1\n", 19, "a number >= 0"),
        (FAN + "physical_high = nan\n", 19, "a number"),
        (WATER + "physical_high = 1\nphysical_low = 2\n", 17, "is empty"),
        (water('{ level = "red" }'), 18, "one of high, low"),
        (water('{ level = "red", high = 9000 }'), 18,
         "limit 9000 is outside the physical range 0..5000"),
        (water('{ level = "red", high = 10 }, { level = "orange", high = 20 }'),
         18, "red .10. is reached before orange .20."),
        (water('{ level = "red", low = 20 }, { level = "orange", low = 10 }'),
         18, "red .20. is reached before orange .10."),
        (water('{ level = "red", low = 20 }, { level = "red", low = 10 }'),
         18, "two red limits"),
    ],
)  # fmt: skip
def test_an_error_names_line_and_remedy(text, line, says):
    found = problems(text)
    assert any(where == line and re.search(says.replace("[[", r"\[\["), what) for where, what in found), found


def test_all_errors_come_at_once_and_a_templates_only_once():
    text = DEVICE + 'template = "t"\n' + DEVICE[len(GATEWAY) :].replace('"d"', '"d2"') + 'template = "t"\n'
    text += (
        '[[template]]\nname = "t"\nseries = [{ signal = "water_level", perod_s = 3 }, { signal = "nix" }]\n'
    )
    town = read_toml(text, "t.toml")
    check(town, NOTHING)
    errors = TownRejectedError("t.toml", town.errors).errors
    assert len(errors) == 3  # the wrong key, and the unknown signal of d and d2


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("area;enterprise;gateway;device\n", 1, "no column signal"),
        ("area;enterprise;gateway;device;signal;colour\n", 1, "unknown column 'colour'"),
        ("area;enterprise;gateway;device;signal\n1;E;g;;water_level\n", 2, "column device is empty"),
        (HEAD + ",period_s\n1,E,g,d,water_level,x\n", 2, "period_s = 'x'"),
        (HEAD + "\n1,E,g,d,water_level\n1,E,g,d,water_level\n", 3, "already, in line 2"),
        (HEAD + ",place\n1,E,g,d,a,x\n1,E,g,d,b,y\n", 3, "another place in line 2"),
        (HEAD + ",mandatory\n1,E,g,d,a,maybe\n", 2, "true or false"),
        (HEAD + "\n1 a/2 b/3 c/4 d/5 e/6 f,E,g,d,a\n", 2, "has 6 levels"),
    ],
)  # fmt: skip
def test_a_csv_error_names_its_line(text, line, says):
    town = read_csv(text, "t.csv")
    assert any(e.where == f"t.csv, line {line}" and says in str(e) for e in town.errors), town.errors


def test_a_municipality_skips_the_level_of_a_city():
    town = read_csv(HEAD + "\n11 北京市//110101 东城区,E,g,d,water_level\n", "t.csv")
    assert town.entries["area"][("110101",)].fields == {
        "name": "东城区",
        "level": "county",
        "parent": ("11",),
    }


def test_export_says_what_was_imported():
    held = held_after(TOML)
    defaults = dict.fromkeys(("physical_low", "physical_high", "grade"))
    defaults |= dict.fromkeys(("place", "model", "name_en"), "") | dict.fromkeys(("limits", "addresses"), ())
    defaults |= {
        "dust_kind": "none",
        "dust_workers": 0,
        "lenient": False,
        "messages_per_s": 0,
        "shared_topics": False,
        "zone": "Asia/Shanghai",
    }
    defaults |= {"mandatory": False}
    full = {kind: {key: {**defaults, **row} for key, row in rows.items()} for kind, rows in held.items()}
    again = read_toml(export_toml(full, addresses=True), "again.toml")
    check(again, NOTHING)
    assert again.errors == []
    assert not plan(again, full)
    assert plan(again, NOTHING).new["series"].keys() == held["series"].keys()
    assert "http://127.0.0.1:9/hook" not in export_toml(full)


def test_every_signal_of_the_catalogue_is_usable():
    for name, signal in signals.catalogue().items():
        assert signals.NAME.fullmatch(name)
        assert signal.low < signal.high
        assert signal.period_s >= 0
        assert signal.zh
        assert signal.en


def test_a_number_tells_sensors_of_a_kind_apart():
    assert signals.find("cable_temperature_3").zh == "线缆温度3"
    assert signals.find("cable_temperature_0") is None
    assert signals.find("no_such_signal_2") is None
