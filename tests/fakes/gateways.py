"""A registry of two gateways by hand, and the bytes that they would send; for tests of the intake."""

import json

import numpy as np

from registry.catalog import Catalog, Device, Gateway, Limits

NOW = 1_795_222_800_000_000_000  # 2026-11-21T01:00:00Z
NOW_MS = NOW // 10**6
SIGNALS = ("hopper_temperature", "pressure_drop", "fan_running")
TOPIC = "fs/v1/gw1/dust1"


def catalog(*, version="1", retired=(), extra=None):
    """gw1 (key 1) has dust1 (series 1–3), dust2 (4–6); gw2 (key 2) meter1 (7–9); −40 to 400 °C."""
    gateways = {code: Gateway(key, code, key) for key, code in ((1, "gw1"), (2, "gw2"))}
    places = (("gw1", "dust1"), ("gw1", "dust2"), ("gw2", "meter1"))
    devices = {
        place: Device(
            number + 1, place[1], gateways[place[0]].id, gateways[place[0]].id, "dust",
            {signal: 1 + 3 * number + column for column, signal in enumerate(SIGNALS)},
        )
        for number, place in enumerate(places)
    }  # fmt: skip
    devices |= extra or {}
    n = 32
    gateway = np.zeros(n, np.int32)
    gateway[1:7], gateway[7:] = 1, 2
    active = np.ones(n, bool)
    active[[0, *retired]] = False
    low, high = np.full(n, -np.inf), np.full(n, np.inf)
    low[1:10:3], high[1:10:3] = -40, 400
    none = np.zeros(0)
    return Catalog(
        version, active, gateway, gateway, gateway, np.zeros(n, np.int64), low, high, active,
        ("", *SIGNALS * 3, *[""] * (n - 10)), ("",) * n, Limits(*[none] * 7),
        gateways, devices, {place[1]: device for place, device in devices.items()}, {}, (),
    )  # fmt: skip


def one(m="hopper_temperature", v=41.5, ts=NOW_MS, **more):
    return json.dumps({"m": m, "v": v, "ts": ts, **more}).encode()


def rows(*readings):
    """Rows of (signal, ts, value)."""
    return json.dumps({"readings": [{"m": m, "ts": ts, "v": v} for m, ts, v in readings]}).encode()


def columnar(dt, t0=NOW_MS, **series):
    return json.dumps({"t0": t0, "dt": dt, "series": series}).encode()
