"""The simulated town as users of the broker: each gateway gets credentials, kept in a file for the simulator."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg

from core.time import clock_ns
from registry import credentials
from service.orm import write_secret

NOTE = "demo town"


def give_credentials(dsn: str, file: Path) -> int:
    """Give credentials to gateways in service that have none in the file yet; return how many were made.

    The file holds JSON, gateway -> [user name, password].
    """
    held = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    now = credentials.utc(clock_ns())
    with psycopg.connect(dsn) as connection:
        valid = {grant.user for grant in credentials.grants(connection, now)}
        rows = connection.execute("SELECT code FROM registry_gateway WHERE active ORDER BY code").fetchall()
        missing = [code for (code,) in rows if held.get(code, [""])[0] not in valid]
        for code in missing:
            issued = credentials.issue(connection, code, now, note=NOTE)
            held[code] = [issued.user, issued.secret]
    write_secret(file, json.dumps(held, indent=1))
    return len(missing)
