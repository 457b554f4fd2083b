"""Credentials of gateways in a real database: issue, rotate, revoke, who may come in."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta

import bcrypt
import psycopg
import pytest

from registry import credentials
from registry.credentials import CredentialError
from registry.load import registry_version

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
TOWN = """
INSERT INTO registry_area (id, code, name, level) VALUES (1, '99', 'p', 'province');
INSERT INTO registry_enterprise (id, code, name, name_en, area_id, address, industry, category, sector, department, dust_kind, dust_workers, active)
VALUES (1, 'E1', '一厂', '', 1, '', '', '', '', '', 'none', 0, true), (2, 'E2', '二厂', '', 1, '', '', '', '', '', 'none', 0, true);
INSERT INTO registry_gateway (code, enterprise_id, zone, lenient, active)
VALUES ('gw-1', 1, 'UTC', false, true), ('gw.2', 2, 'UTC', false, true), ('old', 1, 'UTC', false, false);
"""


@pytest.fixture
def connection(database):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TOWN)
        yield connection


def users(connection, now=NOW):
    return [grant.user for grant in credentials.grants(connection, now)]


def test_a_secret_is_shown_once_and_kept_as_two_hashes_that_the_brokers_read(connection):
    issued = credentials.issue(connection, "gw-1", NOW, note="cabinet")
    (row,) = connection.execute("SELECT * FROM registry_credential").fetchall()
    assert issued.user == "gw-1~1"
    assert len(issued.secret) == 32
    assert issued.secret not in repr(row)
    (grant,) = credentials.grants(connection, NOW)
    assert grant.bcrypt.startswith("$2a$04$")
    assert bcrypt.checkpw(issued.secret.encode(), grant.bcrypt.encode())
    assert not credentials.matches("wrong", grant)
    _, kind, rounds, salt, digest = grant.pbkdf2.split("$")
    mine = hashlib.pbkdf2_hmac("sha512", issued.secret.encode(), base64.b64decode(salt), int(rounds))
    assert (kind, base64.b64encode(mine).decode()) == ("7", digest)


def test_two_secrets_are_never_the_same(connection):
    assert (
        len(
            {
                credentials.issue(connection, gateway, NOW).secret
                for gateway in ("gw-1", "gw.2")
                for _ in range(4)
            }
        )
        == 8
    )


def test_a_rotation_overlaps_and_then_the_old_one_ends_by_itself(connection):
    credentials.issue(connection, "gw-1", NOW)
    fresh = credentials.rotate(connection, "gw-1", NOW, until=NOW + HOUR)
    assert fresh.user == "gw-1~2"
    assert users(connection) == ["gw-1~1", "gw-1~2"]
    assert credentials.next_expiry(credentials.grants(connection, NOW)) == NOW + HOUR
    assert users(connection, NOW + HOUR) == ["gw-1~2"]
    assert [one.state(NOW + HOUR) for one in credentials.listed(connection, "gw-1")] == ["expired", "valid"]


def test_a_rotation_never_makes_an_old_one_live_longer(connection):
    credentials.issue(connection, "gw-1", NOW, expires=NOW + HOUR)
    credentials.rotate(connection, "gw-1", NOW, until=NOW + 24 * HOUR)
    assert users(connection, NOW + 2 * HOUR) == ["gw-1~2"]


def test_one_credential_or_all_of_a_gateway_are_revoked(connection):
    for _ in range(3):
        credentials.issue(connection, "gw-1", NOW)
    credentials.issue(connection, "gw.2", NOW)
    assert credentials.revoke(connection, "gw-1~2", NOW) == ["gw-1~2"]
    assert users(connection) == ["gw-1~1", "gw-1~3", "gw.2~1"]
    assert credentials.revoke(connection, "gw-1", NOW) == ["gw-1~1", "gw-1~3"]
    assert users(connection) == ["gw.2~1"]
    with pytest.raises(CredentialError, match="no valid credential"):
        credentials.revoke(connection, "gw-1", NOW)


def test_a_gateway_or_an_enterprise_out_of_service_lets_nobody_in(connection):
    credentials.issue(connection, "gw-1", NOW)
    credentials.issue(connection, "gw.2", NOW)
    connection.execute("UPDATE registry_gateway SET active = false WHERE code = 'gw-1'")
    assert users(connection) == ["gw.2~1"]
    connection.execute("UPDATE registry_enterprise SET active = false WHERE code = 'E2'")
    assert users(connection) == []


@pytest.mark.parametrize(("gateway", "words"), [("nobody", "no gateway"), ("old", "out of service")])
def test_what_is_not_there_gets_no_credential(connection, gateway, words):
    with pytest.raises(CredentialError, match=words):
        credentials.issue(connection, gateway, NOW)


def test_credentials_do_not_heap_up(connection):
    for _ in range(credentials.MOST_VALID):
        credentials.issue(connection, "gw-1", NOW)
    with pytest.raises(CredentialError, match="Revoke one"):
        credentials.issue(connection, "gw-1", NOW)
    # Those that have ended do not count.
    credentials.revoke(connection, "gw-1~1", NOW)
    assert credentials.issue(connection, "gw-1", NOW).user == f"gw-1~{credentials.MOST_VALID + 1}"


def test_every_change_of_a_credential_is_a_change_of_the_registry(connection):
    seen = [registry_version(connection)]
    credentials.issue(connection, "gw-1", NOW)
    seen.append(registry_version(connection))
    credentials.revoke(connection, "gw-1", NOW)
    seen.append(registry_version(connection))
    assert len(set(seen)) == 3


@pytest.mark.parametrize(
    ("user", "gateway"), [("gw-1~2", "gw-1"), ("gw.2~11", "gw.2"), ("gw-1", ""), ("gw-1~x", ""), ("~1", "")]
)
def test_a_user_name_tells_its_gateway(user, gateway):
    assert credentials.gateway_of(user) == gateway
