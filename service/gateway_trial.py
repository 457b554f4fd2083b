"""Try a gateway's credentials at the broker, and say in words what is wrong."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import paho.mqtt.client as paho
import psycopg
from paho.mqtt.enums import CallbackAPIVersion

from registry import credentials
from service.config import Mqtt
from service.gateway_settings import client_id

TIMEOUT_S = 5.0
_CONNACK = {128: "it does not speak our protocol", 132: "it does not speak MQTT 3.1.1", 133: "it refuses the client id",
            136: "it is not available", 134: "user name or password is wrong", 135: "not authorised"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """One thing tried; `remedy` is "" when it went well."""

    what: str
    found: str
    remedy: str = ""


class Line:
    """A connection of a test, used from one thread; times are bounded."""

    def __init__(self, mqtt: Mqtt, user: str, password: str, name: str) -> None:
        self.code: int | None = None
        self.granted: list[Any] = []
        self.arrived: list[str] = []
        self.acknowledged = 0
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=paho.MQTTv311)
        client.on_connect = self._connected
        client.on_subscribe = lambda _c, _u, _mid, codes, _p: self.granted.extend(codes)
        client.on_message = lambda _c, _u, message: self.arrived.append(message.topic)
        client.on_publish = self._published
        client.username_pw_set(user, password)
        if mqtt.tls:
            client.tls_set(mqtt.ca_file or None, mqtt.cert_file or None, mqtt.key_file or None)
        client.connect_timeout = TIMEOUT_S
        client.connect(mqtt.host, mqtt.port, keepalive=10)
        self.client = client
        self.wait(lambda: self.code is not None)

    def _connected(self, _c: Any, _u: Any, _f: Any, reason: Any, _p: Any) -> None:
        self.code = int(reason.value)

    def _published(self, *_: Any) -> None:
        self.acknowledged += 1

    def wait(self, condition: Any, timeout_s: float = TIMEOUT_S) -> bool:
        """Work until the condition holds; return whether it did in time."""
        deadline = time.monotonic() + timeout_s
        while not condition() and time.monotonic() < deadline:
            self.client.loop(0.05)
        return bool(condition())

    def subscribe(self, topic: str) -> bool:
        """Return whether the broker granted it."""
        n = len(self.granted)
        self.client.subscribe(topic, 1)
        return self.wait(lambda: len(self.granted) > n) and not self.granted[-1].is_failure


@contextlib.contextmanager
def connected(mqtt: Mqtt, user: str, password: str, name: str) -> Iterator[Line]:
    """Connect, and disconnect at the end.  Raises OSError when nobody answers."""
    line = Line(mqtt, user, password, name)
    try:
        yield line
    finally:
        line.client.disconnect()
        line.client.loop(0.05)


def try_out(
    mqtt: Mqtt, user: str, password: str, *, gateway: str, reader: tuple[str, str] | None
) -> Iterator[Step]:
    """Connect, read the own answers, publish a status.

    reader : our own user and password, to see whether what was published arrives; None = it cannot be seen:
    a broker of MQTT 3.1.1 acknowledges what it refuses, too
    """
    where = f"{mqtt.host}:{mqtt.port}"
    name = client_id(gateway, f"test-{secrets.token_hex(3)}")
    try:
        with connected(mqtt, user, password, name) as line:
            if line.code != 0:
                why = _CONNACK.get(line.code or 0, f"code {line.code}") if line.code else "no answer in time"
                yield Step("connect", f"{where} refuses {user}: {why}", "see below")
                return
            yield Step("connect", f"{where} takes {user} in")
            yield from _permissions(line, mqtt, gateway, reader)
    except OSError as error:
        yield Step(
            "connect", f"{where} does not answer ({error})", "Check host, port, TLS, and the firewall between"
        )


def _permissions(line: Line, mqtt: Mqtt, gateway: str, reader: tuple[str, str] | None) -> Iterator[Step]:
    down, status = f"fs/v1/{gateway}/$down/#", f"fs/v1/{gateway}/$status"
    if line.subscribe(down):
        yield Step("subscribe", f"{down} granted")
    else:
        yield Step("subscribe", f"{down} refused", f"Is {gateway} the gateway of these credentials?")
    if reader is None:
        return
    with connected(mqtt, *reader, f"fengsui-test-{secrets.token_hex(6)}") as ours:
        if ours.code != 0 or not ours.subscribe(status):
            yield Step("publish", "not tried: our own user cannot read", "Set [mqtt] username and password")
            return
        line.client.publish(status, b'{"online": true}', qos=1)
        line.wait(lambda: line.acknowledged > 0)
        if ours.wait(lambda: status in ours.arrived, 2.0):
            yield Step("publish", f"{status} arrived")
        else:
            remedy = f"Is {gateway} the gateway of these credentials? Its topic is fs/v1/{gateway}/DEVICE"
            yield Step(
                "publish", f"{status} was acknowledged, but did not arrive: the broker refuses it", remedy
            )


def explain(connection: psycopg.Connection[Any], user: str, password: str, now: datetime) -> str:
    """Return why a broker may refuse these credentials, as far as the registry knows."""
    gateway = credentials.gateway_of(user)
    if not gateway:
        return f"{user!r} is no user name of a gateway: it has the form GATEWAY~NUMBER, as `gateway add` printed it"
    known = {one.user: one for one in credentials.listed(connection, gateway)}
    if user not in known:
        return f"the registry has no {user}; `fengsui gateway list {gateway}` tells which there are"
    if (state := known[user].state(now)) in ("revoked", "expired"):
        return f"{user} is {state}. Make a new one: `fengsui gateway add {gateway}`"
    grant = {one.user: one for one in credentials.grants(connection, now)}.get(user)
    if grant is None:
        return f"gateway {gateway} or its enterprise is out of service in the registry"
    if not credentials.matches(password, grant):
        return "the password is wrong: it was shown once; if it is lost, `fengsui gateway rotate` makes a new one"
    return "the registry would let it in, so the broker does not know yet: does `fengsui run gatekeeper` run?"
