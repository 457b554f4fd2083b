"""`fengsui rota …` against a real database: files in, tables and calendars out."""

import json
from datetime import UTC, datetime

import psycopg
import pytest
from fakes.django_site import site
from fakes.night import TOML
from typer.testing import CliRunner

from registry.load import load_catalog, registry_version
from service.cli import application

ROTAS = """
[[rota]]
code = "E01-days"
name = "白班夜班"
role = "safety_officer"
enterprise = "E01"
layers = [
  { name = "白班", start = 2026-09-28, every = "week", begin = 08:00:00, end = 20:00:00, turns = "E01-safety, E01-second" },
  { name = "夜班", start = 2026-09-28, every = "day", begin = 20:00:00, end = 08:00:00, turns = "E01-second" },
  { name = "节假日", start = 2026-01-01, every = "day", days = "rest", turns = "E01-safety + E01-second" },
]
overrides = [
  { begin = 2026-09-29T08:00:00, end = 2026-09-29T20:00:00, who = "E01-second", instead_of = "E01-safety", note = "出差" },
]
"""
SECOND = """
[[contact]]
code = "E01-second"
name = "第二安全员"
role = "safety_officer"
enterprise = "E01"
addresses = { log = "-" }
"""


@pytest.fixture
def run(database, tmp_path, monkeypatch):
    """Run the command line in a folder with the rotas, against a registry with the documented town."""
    monkeypatch.setenv("FENGSUI_DATABASE__DSN", database)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rotas.toml").write_text(ROTAS, "utf-8")
    (tmp_path / "town.toml").write_text(TOML + SECOND, "utf-8")
    with site(database):
        from registry.importer.run import import_town

        import_town(tmp_path / "town.toml")

        def invoke(*words, good=True):
            done = CliRunner().invoke(application(), ["rota", *words], catch_exceptions=not good)
            assert not good or done.exit_code in (0, 1), done.output
            return done

        yield invoke


@pytest.fixture
def rotas(run):
    run("import", "rotas.toml")
    return run


def shifts(run, *words):
    (one,) = json.loads(run("show", "E01-days", *words, "--json").output)["rotas"]
    return [(shift["begin"][5:16], shift["who"]) for shift in one["shifts"]]


def test_a_file_of_rotas_becomes_who_is_on_duty(rotas):
    assert shifts(rotas, "--from", "2026-09-28", "--days", "4") == [
        ("09-28T00:00", ["E01-safety", "E01-second"]),
        ("09-28T08:00", ["E01-safety"]),
        ("09-28T20:00", ["E01-second"]),
        ("09-30T08:00", ["E01-safety"]),
        ("09-30T20:00", ["E01-second"]),
        ("10-01T08:00", ["E01-safety", "E01-second"]),
    ], "a Sunday until eight; the 29th is a business trip; from 1 October on it is National Day"


def test_the_table_names_people_marks_days_off_and_tells_of_holes_by_its_exit_code(rotas):
    done = rotas("show", "--from", "2026-09-24", "--days", "8")
    assert done.exit_code == 1
    for word in ("白班夜班", "第二安全员 (E01-second)", "休息日 off", "工作日 work", "无人 nobody"):
        assert word in done.output
    assert rotas("show", "--from", "2026-09-29", "--days", "2").exit_code == 0
    assert "尚未公布" in rotas("show", "--from", "2099-01-01", "--days", "2").output


def test_the_same_file_again_changes_nothing_and_without_overrides_leaves_them_alone(
    rotas, database, tmp_path
):
    before = shifts(rotas, "--from", "2026-09-28")
    rotas("import", "rotas.toml")
    assert shifts(rotas, "--from", "2026-09-28") == before
    (tmp_path / "rotas.toml").write_text(ROTAS[: ROTAS.index("overrides")], "utf-8")
    rotas("import", "rotas.toml")
    assert shifts(rotas, "--from", "2026-09-28") == before


def test_the_running_service_hears_of_every_change(rotas, database):
    with psycopg.connect(database, autocommit=True) as connection:
        version, catalog = registry_version(connection), load_catalog(connection)
        assert [rota.code for rota in catalog.rotas] == ["E01-days"]
        rotas(
            "override",
            "E01-days",
            "--from",
            "2026-09-30T08:00",
            "--until",
            "2026-09-30T12:00",
            "--who",
            "E01-second",
        )
        assert registry_version(connection) != version
        assert load_catalog(connection).version != catalog.version


def test_two_people_swap(rotas):
    rotas(
        "swap",
        "E01-days",
        "E01-safety",
        "E01-second",
        "--from",
        "2026-09-30T00:00",
        "--until",
        "2026-10-01T00:00",
    )
    assert shifts(rotas, "--from", "2026-09-30", "--days", "1") == [
        ("09-30T00:00", ["E01-safety"]),
        ("09-30T08:00", ["E01-second"]),
        ("09-30T20:00", ["E01-safety"]),
    ]


def test_a_calendar_goes_out_and_comes_back(rotas, tmp_path):
    before = shifts(rotas, "--from", "2026-09-29", "--days", "10")
    calendar = rotas("export", "E01-days", "--from", "2026-09-29", "--days", "10").stdout_bytes
    assert b"BEGIN:VEVENT" in calendar
    (tmp_path / "duty.ics").write_bytes(calendar)
    for _ in range(2):
        rotas("import", "duty.ics", "--rota", "E01-days", "--from", "2026-09-29", "--days", "10")
        assert shifts(rotas, "--from", "2026-09-29", "--days", "10") == before
    from registry.models import RotaOverride

    assert RotaOverride.objects.filter(source="duty.ics").count() == calendar.count(b"BEGIN:VEVENT")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('E01-second" }', 'E01-third" }', ["E01-third"]),
        ('every = "week"', 'every = "wek"', ["every", "wek"]),
        ('role = "safety_officer"', 'role = "officer"', ["role", "officer"]),
        ('enterprise = "E01"', 'enterprise = "E99"', ["E99"]),
        ("layers", "layer", ["layer"]),
        ("end = 2026-09-29T20:00:00", "end = 2026-09-29T07:00:00", ["结束时间须晚于"]),
        ('enterprise = "E01"', 'zone = "China"', ["时区"]),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_imported(run, tmp_path, old, new, words):
    assert old in ROTAS
    (tmp_path / "rotas.toml").write_text(ROTAS.replace(old, new, 1), "utf-8")
    done = run("import", "rotas.toml", good=False)
    assert any(word in str(done.exception) for word in words), done.exception
    assert json.loads(run("show", "--json").output) == {"rotas": []}


def test_strangers_in_a_calendar_are_named_and_nothing_is_imported(rotas, tmp_path):
    event = "BEGIN:VEVENT\r\nUID:1\r\nDTSTART:20260930T000000Z\r\nDTEND:20260930T040000Z\r\nSUMMARY:陌生人\r\nEND:VEVENT\r\n"
    text = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{event}END:VCALENDAR\r\n"
    (tmp_path / "duty.ics").write_text(text, "utf-8")
    done = rotas("import", "duty.ics", "--rota", "E01-days", "--from", "2026-09-29", good=False)
    assert "陌生人" in str(done.exception)
    assert rotas("import", "duty.ics", good=False).exit_code == 2
    assert rotas("show", "nights", good=False).exit_code == 2


def test_rotas_can_be_edited_in_the_admin(rotas):
    from django.contrib.auth import get_user_model
    from django.test import Client

    client = Client()
    client.force_login(get_user_model().objects.create_superuser("chief", "", "x"))
    from registry.models import Rota

    page = client.get(f"/admin/registry/rota/{Rota.objects.get().pk}/change/")
    assert page.status_code == 200
    assert "E01-safety + E01-second" in page.content.decode()


def test_overrides_reach_the_database_in_the_zone_of_the_rota(rotas):
    from registry.models import RotaOverride

    (one,) = RotaOverride.objects.all()
    assert one.begin == datetime(2026, 9, 29, 0, 0, tzinfo=UTC)
