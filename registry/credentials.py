"""Credentials of gateways: issue, rotate, revoke, and who may come in now.  Plain SQL, no Django.

A secret is 160 random bits of ours and is never kept.  Because nobody chose it, a cheap hash is enough: the cost of
a password hash protects words that people think up, and it is paid at every connection (docs/adr/0006).
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import bcrypt
import psycopg
from psycopg.rows import tuple_row

from core.errors import FengsuiError

SEPARATOR = "~"
SECRET_BYTES = 20
BCRYPT_ROUNDS = 4  # the least that bcrypt knows: 2^4 rounds, 1 ms
PBKDF2_ITERATIONS = 101  # what mosquitto_passwd writes
MOST_VALID = 8

_GATEWAY = "SELECT id, active FROM registry_gateway WHERE code = %s FOR UPDATE"
_SERIAL = "SELECT coalesce(max(serial), 0) + 1 FROM registry_credential WHERE gateway_id = %s"
_INSERT = """INSERT INTO registry_credential (gateway_id, serial, bcrypt, pbkdf2, created, expires, note)
    VALUES (%s, %s, %s, %s, %s, %s, %s)"""
_VALID = "revoked IS NULL AND (expires IS NULL OR expires > %(now)s)"
_SHORTEN = f"""UPDATE registry_credential SET expires = %(until)s
    WHERE gateway_id = %(gateway)s AND serial <> %(but)s AND {_VALID} AND (expires IS NULL OR expires > %(until)s)"""  # noqa: S608
_REVOKE = f"""UPDATE registry_credential SET revoked = %(now)s
    WHERE gateway_id = %(gateway)s AND (%(serial)s::int IS NULL OR serial = %(serial)s) AND {_VALID}
    RETURNING serial"""  # noqa: S608
_COUNT = f"SELECT count(*) FROM registry_credential WHERE gateway_id = %(gateway)s AND {_VALID}"  # noqa: S608
_LIST = """SELECT g.code, c.serial, c.created, c.expires, c.revoked, c.note
    FROM registry_gateway g JOIN registry_credential c ON c.gateway_id = g.id
    WHERE %(code)s::text IS NULL OR g.code = %(code)s ORDER BY g.code, c.serial"""
_GRANTS = f"""SELECT g.code, c.serial, c.bcrypt, c.pbkdf2, g.shared_topics, c.expires,
        ARRAY(SELECT d.code FROM registry_device d WHERE d.gateway_id = g.id AND d.active ORDER BY d.code)
    FROM registry_credential c
    JOIN registry_gateway g ON g.id = c.gateway_id AND g.active
    JOIN registry_enterprise e ON e.id = g.enterprise_id AND e.active
    WHERE {_VALID} ORDER BY g.code, c.serial"""  # noqa: S608


class CredentialError(FengsuiError):
    """A credential cannot be made or ended; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A new credential with its secret, which is shown once and kept nowhere."""

    gateway: str
    user: str
    secret: str
    expires: datetime | None


@dataclass(frozen=True, slots=True)
class Listed:
    """One credential as people see it."""

    gateway: str
    user: str
    created: datetime
    expires: datetime | None
    revoked: datetime | None
    note: str

    def state(self, now: datetime) -> str:
        """Return "valid", "expires", "expired" or "revoked"."""
        if self.revoked:
            return "revoked"
        if self.expires is None:
            return "valid"
        return "expires" if self.expires > now else "expired"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a broker must know to let one credential in.

    shared_topics : bool     the gateway may publish on topics that name no gateway
    expires : None = never
    devices : codes of the devices behind the gateway
    """

    gateway: str
    user: str
    bcrypt: str
    pbkdf2: str
    shared_topics: bool
    expires: datetime | None
    devices: tuple[str, ...] = ()


def user_name(gateway: str, serial: int) -> str:
    """Return the MQTT user name of a credential; codes never have the separator in them."""
    return f"{gateway}{SEPARATOR}{serial}"


def gateway_of(user: str) -> str:
    """Return the gateway's code of a user name, "" when it is none of ours."""
    code, separator, serial = user.rpartition(SEPARATOR)
    return code if separator and serial.isdigit() else ""


def issue(
    connection: psycopg.Connection[Any], gateway: str, now: datetime,
    *, expires: datetime | None = None, note: str = "",
) -> Issued:  # fmt: skip
    """Make one more credential of a gateway; the others stay as they are.

    Raises CredentialError for a gateway that is unknown, retired, or has MOST_VALID already.
    """
    with connection.transaction():
        key = _key(connection, gateway)
        if _one(connection, _COUNT, {"gateway": key, "now": now}) >= MOST_VALID:
            raise CredentialError(
                f"gateway {gateway} has {MOST_VALID} valid credentials. Revoke one first, or rotate"
            )
        serial = _one(connection, _SERIAL, [key])
        secret = new_secret()
        connection.execute(
            _INSERT, [key, serial, bcrypt_of(secret), pbkdf2_of(secret), now, expires, note[:200]]
        )
    return Issued(gateway, user_name(gateway, serial), secret, expires)


def rotate(
    connection: psycopg.Connection[Any], gateway: str, now: datetime, *, until: datetime, note: str = ""
) -> Issued:
    """Make a new credential and let all others of the gateway end at `until`.  Raises CredentialError."""
    with connection.transaction():
        issued = issue(connection, gateway, now, note=note)
        but = int(issued.user.rpartition(SEPARATOR)[2])
        values = {"gateway": _key(connection, gateway), "until": until, "but": but, "now": now}
        connection.execute(_SHORTEN, values)
    return issued


def revoke(connection: psycopg.Connection[Any], name: str, now: datetime) -> list[str]:
    """End one credential (a user name) or all of a gateway (its code); return the user names ended.

    Raises CredentialError when the gateway is unknown, or nothing of it was valid.
    """
    gateway = gateway_of(name) or name
    serial = int(name.rpartition(SEPARATOR)[2]) if gateway != name else None
    with connection.transaction():
        key = _key(connection, gateway, retired_too=True)
        rows = _rows(connection, _REVOKE, {"gateway": key, "serial": serial, "now": now})
    if not rows:
        raise CredentialError(f"{name} has no valid credential. See `fengsui gateway list {gateway}`")
    return [user_name(gateway, row[0]) for row in rows]


def listed(connection: psycopg.Connection[Any], gateway: str | None = None) -> list[Listed]:
    """Return all credentials, or those of one gateway, ended ones too."""
    rows = _rows(connection, _LIST, {"code": gateway})
    return [Listed(code, user_name(code, serial), *rest) for code, serial, *rest in rows]


def grants(connection: psycopg.Connection[Any], now: datetime) -> list[Grant]:
    """Return whom a broker lets in now, in a fixed order: valid credentials of gateways in service."""
    return [
        Grant(code, user_name(code, serial), bcrypt_, pbkdf2, shared, expires, tuple(devices))
        for code, serial, bcrypt_, pbkdf2, shared, expires, devices in _rows(
            connection, _GRANTS, {"now": now}
        )
    ]


def next_expiry(found: Sequence[Grant]) -> datetime | None:
    """Return when the first of these ends by itself, None = never."""
    return min((grant.expires for grant in found if grant.expires), default=None)


# ── secrets and their hashes ──────────────────────────────────────────────────
def new_secret() -> str:
    """Return 160 random bits as 32 letters and digits: no character that a form or a shell could mistake."""
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode("ascii").lower()


def bcrypt_of(secret: str) -> str:
    """Return the hash that nats-server reads."""
    return bcrypt.hashpw(secret.encode(), bcrypt.gensalt(BCRYPT_ROUNDS, b"2a")).decode("ascii")


def pbkdf2_of(secret: str) -> str:
    """Return the hash that Mosquitto 2 reads in its password file: PBKDF2 with SHA-512."""
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", secret.encode(), salt, PBKDF2_ITERATIONS)
    parts = (base64.b64encode(part).decode("ascii") for part in (salt, digest))
    return "$".join(("$7", str(PBKDF2_ITERATIONS), *parts))


def matches(secret: str, grant: Grant) -> bool:
    """Return whether a secret is that of a grant."""
    return bcrypt.checkpw(secret.encode(), grant.bcrypt.encode())


def utc(now_ns: int) -> datetime:
    """Return an instant for the functions above."""
    return datetime.fromtimestamp(now_ns / 1e9, UTC)


def _key(connection: psycopg.Connection[Any], gateway: str, *, retired_too: bool = False) -> int:
    rows = _rows(connection, _GATEWAY, [gateway])
    if not rows:
        raise CredentialError(
            f"no gateway {gateway!r}. `fengsui registry list gateway` tells which there are"
        )
    key, active = rows[0]
    if not active and not retired_too:
        raise CredentialError(
            f"gateway {gateway} is out of service. Put it into service in the registry first"
        )
    return int(key)


def _one(connection: psycopg.Connection[Any], sql: str, values: Any) -> int:
    return int(_rows(connection, sql, values)[0][0])


def _rows(connection: psycopg.Connection[Any], sql: str, values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(sql.encode(), values).fetchall()
