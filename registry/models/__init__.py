"""Who and what exists, for people to edit; the hot path reads `registry.catalog` instead.

Area ─┬─ Enterprise ─┬─ Gateway ─┬─ Device ── Series ── Limit
      │              │           └─ Credential
      ├─ Contact     ├─ Contact ── ContactAddress
      └─ Rota        └─ Rota ─┬─ RotaLayer
                              └─ RotaOverride
"""

from __future__ import annotations

from registry.models.area import Area
from registry.models.contact import Contact, ContactAddress
from registry.models.credential import Credential
from registry.models.device import Device, Gateway
from registry.models.enterprise import Enterprise
from registry.models.rota import Rota, RotaLayer, RotaOverride
from registry.models.rule import DeviceParameter, Fact
from registry.models.series import Limit, Series
from registry.models.version import Version

__all__ = [
    "Area",
    "Contact",
    "ContactAddress",
    "Credential",
    "Device",
    "DeviceParameter",
    "Enterprise",
    "Fact",
    "Gateway",
    "Limit",
    "Rota",
    "RotaLayer",
    "RotaOverride",
    "Series",
    "Version",
]
