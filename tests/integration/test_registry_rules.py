"""Numbers of rules per device, and facts, in the registry: files, the database, the catalog."""

from datetime import UTC, datetime

import psycopg
import pytest
from test_registry_command import TOML, registry

from registry.load import load_catalog, registry_version
from registry.load_rules import add_series

OWN = 'parameters = { "D-01.orange" = 65, "E-08.k_ib" = 630.5 }\n'
WITH = TOML.replace('code = "dc-1"\n', 'code = "dc-1"\n' + OWN)
COLLECTOR = ("gw-e01", "dc-1")


@pytest.fixture
def bring(database, tmp_path):
    def bring(text, *words):
        path = tmp_path / "town.toml"
        path.write_text(text, "utf-8")
        code, out, err = registry(database, "import", str(path), *words)
        return (code, err) if code else out

    return bring


@pytest.fixture
def connection(database):
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def numbers(connection):
    catalog = load_catalog(connection)
    return dict(catalog.parameters.get(catalog.devices[COLLECTOR].id, {}))


def test_a_file_gives_a_device_its_numbers_and_takes_them_away(bring, connection, database, tmp_path):
    out = bring(WITH)
    assert "no rule has" not in out
    assert numbers(connection) == {"D-01.orange": 65.0, "E-08.k_ib": 630.5}
    connection.execute("UPDATE registry_deviceparameter SET reason = '环评' WHERE parameter = 'D-01.orange'")
    assert "unchanged" in bring(WITH)
    bring(WITH.replace("630.5", "640"))
    assert numbers(connection) == {"D-01.orange": 65.0, "E-08.k_ib": 640.0}
    kept = "SELECT reason FROM registry_deviceparameter WHERE parameter = 'D-01.orange'"
    assert connection.execute(kept).fetchone() == ("环评",)
    again = registry(database, "export", "--addresses")[1]
    assert "unchanged" in bring(again)
    assert "unchanged" in bring(TOML), "a file that is silent leaves them"
    bring(TOML.replace('code = "dc-1"\n', 'code = "dc-1"\nparameters = {}\n'))
    assert numbers(connection) == {}


def test_a_number_that_no_rule_has_is_told(bring):
    assert "no rule has D-01.upper" in bring(WITH.replace("D-01.orange", "D-01.upper"))


@pytest.mark.parametrize(
    ("given", "told"), [('{ "D-01" = 65 }', "expected a rule's parameter"), ('{ "D-01.orange" = "65" }', "a number"),
                        ("65", "parameters is no table")],
)  # fmt: skip
def test_what_is_no_number_of_a_rule_is_refused(bring, given, told):
    code, err = bring(TOML.replace('code = "dc-1"\n', f'code = "dc-1"\nparameters = {given}\n'))
    assert code == 2
    assert told in err


def test_parameters_and_facts_change_the_version(bring, connection):
    bring(TOML)
    before = registry_version(connection), load_catalog(connection).version
    connection.execute(
        "INSERT INTO registry_deviceparameter (device_id, parameter, value, reason) VALUES (1, 'D-06.upper', 1200, '')"
    )
    between = registry_version(connection), load_catalog(connection).version
    add_fact(connection)
    after = registry_version(connection), load_catalog(connection).version
    assert len({before, between, after}) == 3
    assert len({version for _, version in (before, between, after)}) == 3


def test_the_series_of_a_fact_is_no_files_and_no_gateways(bring, connection):
    bring(TOML)
    add_fact(connection)
    device = load_catalog(connection).devices[COLLECTOR]
    add_series(connection, {(device.id, "shutdown_order")})
    catalog = load_catalog(connection)
    device = catalog.devices[COLLECTOR]
    key = device.facts["shutdown_order"]
    assert "shutdown_order" not in device.series
    assert (catalog.gateway[key], catalog.period[key], catalog.active[key]) == (0, 0, True)
    assert "unchanged" in bring(TOML, "--retire-missing")
    code, err = bring(TOML.replace('{ signal = "fan_running" }', '{ signal = "shutdown_order" }'))
    assert (code, "is a fact, no device sends it" in err) == (2, True)
    (fact,) = catalog.facts
    assert (fact.kind, fact.enterprise, fact.device) == ("shutdown_order", 1, 0)


def add_fact(connection):
    connection.execute(
        "INSERT INTO registry_fact (kind, enterprise_id, valid_from, reference) VALUES ('shutdown_order', 1, %s, '')",
        [datetime(2026, 11, 21, tzinfo=UTC)],
    )
