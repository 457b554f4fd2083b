"""Channels: how notes leave the service.  Adding one is a folder, and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx

from alerts.notify.contract import Channel
from alerts.notify.log.channel import Log
from alerts.notify.webhook.channel import Webhook
from alerts.notify.wecom_robot.channel import WecomRobot

# kind, as in [channels.NAME] kind = "…"  ->  its class; the settings are its keyword arguments.
KINDS: Mapping[str, Callable[..., Channel]] = {
    "log": Log,
    "webhook": Webhook,
    "wecom_robot": WecomRobot,
}


def build(kind: str, client: httpx.AsyncClient, settings: Mapping[str, Any]) -> Channel:
    """Return a channel of a kind; raises KeyError for an unknown kind, TypeError for an unknown setting."""
    return KINDS[kind](client, **settings)
