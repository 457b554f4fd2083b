"""Who may do what at the broker, made from the registry: the users of nats-server, the files of Mosquitto.

A gateway publishes on topics of its own, reads its own answers, and nothing else.  Topics that name no gateway
(ThingsBoard's) are only for those that the registry allows them: there the broker cannot tell one from another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ingest.feed import Feed, filled
from registry.credentials import Grant

ANONYMOUS = "anonymous"
DOWN = "fs/v1/{gateway}/$down/#"
_NATIVE_PREFIX = "fs/v1/"
# Characters that a topic level, or a subject of NATS, cannot have.
_IMPOSSIBLE = frozenset(" \t\r\n\0/+#*>")
# A broker that comes back checks all passwords at once: who waits for his turn must not be sent away.
_AUTH_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Access:
    """What one user may do, as MQTT topic filters."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceUser:
    """The service's own user: reads everything, publishes everything."""

    name: str
    password_hash: str


def access_of(gateway: str, devices: Sequence[str], feeds: Iterable[Feed], *, shared: bool = False) -> Access:
    """Return what a gateway may do.

    devices : codes of the devices behind it, for topics that name a device and no gateway
    shared : it may also publish on topics that name neither
    """
    publish: list[str] = []
    subscribe = [DOWN.replace("{gateway}", gateway)]
    for feed in feeds:
        for pattern in _own(feed, gateway, devices, shared=shared):
            publish.append(pattern)
            answers = filled(feed.reply_pattern, feed.parts(pattern))
            if answers and "+" not in answers and pattern != feed.subscription:
                subscribe.append(answers)
    return Access(tuple(dict.fromkeys(publish)), tuple(dict.fromkeys(subscribe)))


def everyone(feeds: Iterable[Feed]) -> Access:
    """Return what somebody without credentials may do, where that is allowed at all: publish."""
    return Access(tuple(dict.fromkeys(feed.subscription for feed in feeds)))


def _own(feed: Feed, gateway: str, devices: Sequence[str], *, shared: bool) -> list[str]:
    named = _named(feed)
    if "{gateway}" in named:
        return [Feed(named.replace("{gateway}", gateway), feed.format).subscription]
    if feed.gateway:
        return [feed.subscription] if feed.gateway == gateway else []
    if "{device}" in named:
        usable = (code for code in devices if code and not _IMPOSSIBLE & set(code))
        return [Feed(named.replace("{device}", code), feed.format).subscription for code in usable]
    return [feed.subscription] if shared else []


def _named(feed: Feed) -> str:
    """Return the filter with its gateway named: of the native format the third level always is."""
    return _NATIVE_PREFIX + "{gateway}/+" if _is_native(feed) else feed.filter


def _is_native(feed: Feed) -> bool:
    return feed.format == "native" and feed.subscription == _NATIVE_PREFIX + "+/+"


# ── nats-server ───────────────────────────────────────────────────────────────
def nats_users(
    grants: Iterable[tuple[Grant, Access]], service: ServiceUser, *, anonymous: Access | None = None
) -> str:
    """Return the part of nats-server's configuration that says who comes in; for `include`."""
    lines = [_nats_user(service.name, service.password_hash, None)]
    if anonymous is not None:
        # Taken when no user is named (no_auth_user).  nats-server fills its password in by itself and so needs it in
        # clear; nobody who cannot read this file can know it.
        secret = hashlib.sha256(service.password_hash.encode()).hexdigest()
        lines.append(_nats_user(ANONYMOUS, secret, anonymous))
    lines += [_nats_user(grant.user, grant.bcrypt, access) for grant, access in grants]
    body = "\n".join(lines)
    return (
        f"# Written by fengsui from the registry; changes here are lost.\n"
        f"authorization {{\n  timeout: {_AUTH_TIMEOUT_S}\n  users = [\n{body}\n  ]\n}}\n"
    )


def _nats_user(name: str, password: str, access: Access | None) -> str:
    head = f"    {{ user: {json.dumps(name)}, password: {json.dumps(password)}"
    if access is None:
        return head + " }"
    publish = json.dumps([form for pattern in access.publish for form in nats_subjects(pattern)])
    allowed = [form for pattern in access.subscribe for form in nats_subjects(pattern)]
    subscribe = json.dumps(allowed) if allowed else '{ deny: ">" }'
    return f"{head}, permissions: {{ publish: {publish}, subscribe: {subscribe} }} }}"


def nats_subjects(pattern: str) -> list[str]:
    """Return an MQTT topic filter in subjects of NATS: a dot doubles a slash, and # needs two forms."""
    levels = [_nats_level(level) for level in pattern.split("/")]
    whole = ".".join(levels)
    return [whole] if levels[-1] != ">" or len(levels) == 1 else [".".join(levels[:-1]), whole]


def _nats_level(level: str) -> str:
    return {"+": "*", "#": ">", "": "/"}.get(level) or level.replace(".", "//")


# ── Mosquitto ─────────────────────────────────────────────────────────────────
def mosquitto_passwords(grants: Iterable[Grant], service: ServiceUser) -> str:
    """Return Mosquitto's password_file."""
    lines = [f"{service.name}:{service.password_hash}"]
    lines += [f"{grant.user}:{grant.pbkdf2}" for grant in grants]
    return "\n".join(lines) + "\n"


def mosquitto_acl(grants: Iterable[tuple[Grant, Access]], service: ServiceUser) -> str:
    """Return Mosquitto's acl_file; whoever is not named may do nothing."""
    blocks = [f"user {service.name}\ntopic readwrite #\n"]
    for grant, access in grants:
        lines = [f"user {grant.user}"]
        lines += [f"topic write {pattern}" for pattern in access.publish]
        lines += [f"topic read {pattern}" for pattern in access.subscribe]
        blocks.append("\n".join(lines) + "\n")
    return "# Written by fengsui from the registry; changes here are lost.\n" + "\n".join(blocks)
