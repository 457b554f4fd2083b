"""The registry in a real database: import, triggers, catalog, admin pages."""

import re
import threading
from pathlib import Path

import psycopg
import pytest
from fakes.django_site import site

from core.errors import TownError
from core.events import SubjectKind
from registry.load import load_catalog, registry_version

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs/registry.md").read_text("utf-8")
TOML = re.search(r"```toml\n(.*?)```", DOCS, re.DOTALL)[1]
CSV = re.search(r"```csv\n(.*?)```", DOCS, re.DOTALL)[1]


@pytest.fixture
def dsn(database):
    with site(database):
        yield database


@pytest.fixture
def connection(dsn):
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def bring(dsn, tmp_path):
    """`bring(text, name="town.toml", **options)` imports a text."""
    from registry.importer.run import import_town

    def bring(text, name="town.toml", encoding="utf-8", **options):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return import_town(path, **options)

    return bring


# ── import ────────────────────────────────────────────────────────────────────
def test_the_documented_towns_become_a_catalog(bring, connection):
    bring(TOML)
    bring(CSV, "town.csv", encoding="gb18030")
    catalog = load_catalog(connection)
    collector = catalog.devices["gw-e01", "dc-1"]
    hopper = collector.series["hopper_temperature"]
    assert catalog.active[hopper]
    assert catalog.period[hopper] == 10 * 10**9
    assert (catalog.physical_low[hopper], catalog.physical_high[hopper]) == (-40, 300)
    limits = catalog.limits
    of_hopper = limits.series == hopper
    columns = limits.level, limits.limit, limits.on_delay
    steps = list(zip(*(column[of_hopper] for column in columns), strict=True))
    assert steps == [(3, 60.0, 30 * 10**9), (4, 70.0, 10 * 10**9)]
    low = catalog.limits.high[catalog.limits.series == collector.series["differential_pressure"]]
    assert sorted(low) == [False, True]
    subject = catalog.subjects[SubjectKind.SERIES, hopper]
    assert (subject.name, subject.name_en) == ("1号除尘器 灰斗温度", "Collector 1 Hopper temperature")
    assert (subject.enterprise_name, subject.area_name, subject.place) == (
        "示例铝制品厂",
        "示例区望江街道",
        "打磨车间",
    )
    assert [c.code for c in catalog.contacts] == ["990101001-duty", "E01-safety"]
    assert list(catalog.contacts[0].addresses) == ["webhook", "log"]
    assert set(catalog.device_by_name) == {"meter-1"}  # dc-1 is behind two gateways


def test_the_same_file_twice_changes_nothing_not_even_the_version(bring, connection):
    assert bring(TOML)
    before = registry_version(connection), load_catalog(connection).version
    assert not bring(TOML)
    assert (registry_version(connection), load_catalog(connection).version) == before


def test_a_changed_limit_is_one_change_and_keeps_the_series(bring, connection):
    bring(TOML)
    before = load_catalog(connection)
    plan = bring(TOML.replace("high = 70, deadband = 10", "high = 75, deadband = 10"))
    assert {kind: set(rows) for kind, rows in plan.changed.items() if rows} == {
        "series": {("gw-e01", "dc-1", "hopper_temperature")}
    }
    after = load_catalog(connection)
    assert after.version != before.version
    assert after.devices["gw-e01", "dc-1"].series == before.devices["gw-e01", "dc-1"].series
    assert 75 in after.limits.limit


def test_a_file_with_errors_imports_nothing(bring, connection):
    wrong = TOML + '\n[[gateway]]\ncode = "gw-x"\nenterprise = "E99"\n'
    with pytest.raises(TownError, match=r"line .*refers to enterprise E99") as caught:
        bring(wrong)
    assert len(caught.value.errors) == 1
    assert load_catalog(connection).gateways == {}


def test_a_dry_run_says_what_would_change_and_uses_up_no_key(bring, connection):
    assert bring(TOML, dry_run=True).new["series"]
    assert load_catalog(connection).n_series == 1
    bring(TOML)
    assert load_catalog(connection).n_series == 8


def test_retired_series_keep_key_and_name_and_come_back(bring, connection):
    bring(TOML)
    meter = load_catalog(connection).devices["gw-e01", "meter-1"].series["current_a"]
    shorter = TOML[: TOML.index('[[device]]\ngateway = "gw-e01"\ncode = "meter-1"')]
    bring(shorter)
    assert load_catalog(connection).active[meter]
    bring(shorter, retire_missing=True)
    gone = load_catalog(connection)
    assert not gone.active[meter]
    assert ("gw-e01", "meter-1") not in gone.devices
    assert meter not in gone.limits.series
    assert gone.subjects[SubjectKind.SERIES, meter].name == "总进线电表 A相电流"
    bring(TOML, retire_missing=True)
    assert load_catalog(connection).devices["gw-e01", "meter-1"].series["current_a"] == meter


def test_the_shipped_town_is_good(dsn):
    from registry.importer.run import import_town

    plan = import_town(ROOT / "simulators/town.toml")
    assert len(plan.new["enterprise"]) == 20
    assert not import_town(ROOT / "simulators/town.toml")


def test_export_and_import_change_nothing(bring):
    from registry.importer.apply import hold
    from registry.importer.export import export_toml

    bring(TOML)
    bring(CSV, "town.csv")
    assert not bring(export_toml(hold()[0], addresses=True))


def test_lengths_in_the_file_are_those_of_the_columns(dsn):
    from registry.importer.apply import _MODEL
    from registry.importer.fields import OF_KIND

    for kind, fields in OF_KIND.items():
        for field in fields.values():
            longest = getattr(_MODEL[kind]._meta.get_field(field.column), "max_length", None)
            if longest and "at most" in field.expected:
                assert re.search(rf"at most {longest}\b", field.expected), (kind, field.column, longest)


# ── version and snapshot ──────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "statement",
    [
        'UPDATE registry_limit SET "limit" = "limit" + 1',
        "INSERT INTO registry_area (code, name, level) VALUES ('98', 'x', 'city')",
        "DELETE FROM registry_contactaddress",
        "TRUNCATE registry_contactaddress",
        "UPDATE registry_device SET place = 'x'",
    ],
    ids=str.split,
)  # fmt: skip
def test_any_change_in_psql_counts_and_is_announced(bring, dsn, connection, statement):
    bring(TOML)
    before = registry_version(connection)
    with psycopg.connect(dsn, autocommit=True) as listener:
        listener.execute("LISTEN fengsui_registry")
        connection.execute(statement)
        assert [notice.channel for notice in listener.notifies(timeout=5, stop_after=1)] == [
            "fengsui_registry"
        ]
    assert registry_version(connection) != before


def test_a_change_that_is_rolled_back_never_was(bring, connection):
    bring(TOML)
    before = registry_version(connection)
    with connection.transaction(force_rollback=True):
        connection.execute("UPDATE registry_device SET place = 'x'")
    assert registry_version(connection) == before


def test_the_catalogs_version_is_its_content(bring, connection):
    bring(TOML)
    before = load_catalog(connection).version
    connection.execute("UPDATE registry_device SET model = 'another'")  # nothing that the catalog has
    assert load_catalog(connection).version == before
    connection.execute("UPDATE registry_device SET place = 'another'")
    assert load_catalog(connection).version != before


def test_a_series_cannot_be_deleted(bring, connection):
    bring(TOML)
    with pytest.raises(psycopg.errors.RestrictViolation, match="retired, never deleted"):
        connection.execute("DELETE FROM registry_series")


def test_the_catalog_is_of_one_moment(bring, dsn, connection):
    """A writer renames three tables in one transaction, again and again; no load sees a mixture."""
    bring(TOML)
    stop = threading.Event()

    def rename(writer, name):
        for table, column in (("enterprise", "name"), ("device", "place"), ("series", "name_en")):
            writer.execute(f"UPDATE registry_{table} SET {column} = %s", (name,))
        writer.commit()

    def keep_renaming():
        with psycopg.connect(dsn) as writer:
            while not stop.is_set():
                rename(writer, "0")
                rename(writer, "1")

    with psycopg.connect(dsn) as writer:
        rename(writer, "0")
    thread = threading.Thread(target=keep_renaming)
    thread.start()
    try:
        moments = set()
        for _ in range(60):
            subjects = load_catalog(connection).subjects
            series = [subject for (kind, _), subject in subjects.items() if kind == SubjectKind.SERIES]
            moments |= {(s.enterprise_name, s.place, s.name_en[-1]) for s in series}
        assert moments == {("0", "0", "0"), ("1", "1", "1")}
    finally:
        stop.set()
        thread.join()


def test_an_empty_registry_is_a_catalog_too(connection):
    catalog = load_catalog(connection)
    assert (catalog.n_series, len(catalog.limits.series), catalog.gateways, catalog.contacts) == (
        1,
        0,
        {},
        (),
    )


def test_a_hundred_thousand_series_are_loaded(bring, connection):
    """How long that takes is in docs/benchmarks.md."""
    bring(TOML)
    connection.execute(
        "INSERT INTO registry_device (gateway_id, code, name_zh, name_en, place, profile, model, active)"
        " SELECT (SELECT min(id) FROM registry_gateway), 'd' || n, '设备' || n, '', '车间', 'other', '', true"
        " FROM generate_series(1, 10000) n"
    )
    connection.execute(
        "INSERT INTO registry_series (device_id, signal, name_zh, name_en, unit, period_s, mandatory, active)"
        " SELECT d.id, 'cable_temperature_' || n, '温度' || n, '', '℃', 10, false, true"
        " FROM registry_device d, generate_series(1, 10) n"
    )
    connection.execute(
        'INSERT INTO registry_limit (series_id, level, side, "limit", deadband, on_delay_s, off_delay_s)'
        " SELECT id, 3, 'high', 70, 5, 60, 60 FROM registry_series WHERE signal LIKE 'cable%'"
    )
    catalog = load_catalog(connection)
    assert catalog.active.sum() > 100_000
