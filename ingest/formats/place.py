"""Place: which gateway and device of the registry a foreign message is from.

What names them: the levels of the topic, then the message itself, then the feed's settings.
    gateway and device   the device behind that gateway; behind another one = wrong_owner
    gateway alone        its device, if it has exactly one
    device alone         found by its code where that is unique in the registry; else a gateway of that code that has
                         exactly one device
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.reject import Reason
from core.time import CHINA
from ingest.columns import Columns
from ingest.formats.contract import Refusal, brief, stranger
from ingest.formats.names import Channels, Names, Readings
from registry.catalog import Catalog, Device, Gateway

# Names that nobody has registered are not kept; these are pairs that are in the registry.
MOST_CACHED = 200_000


@dataclass(frozen=True, slots=True)
class Origin:
    """A device that we know: its gateway's key and zone, whether known faults are accepted, its series."""

    gateway: int
    gateway_code: str
    device: Device
    zone: ZoneInfo
    lenient: bool
    channels: Channels

    def readings(self, columns: Columns) -> Readings:
        """Begin to take what it says in the open message."""
        return Readings(self.gateway, self.channels, columns)


class Places:
    """Finds origins; keeps them as long as the catalog is the same object."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self._catalog: Catalog | None = None
        self._origins: dict[tuple[str, str], Origin] = {}
        self._by_key: dict[int, Gateway] = {}
        self._only: dict[int, Device] = {}
        self._codes: set[str] = set()

    def follow(self, catalog: Catalog) -> None:
        """Forget what another catalog said."""
        if catalog is self._catalog:
            return
        self._catalog, self._origins = catalog, {}
        self.names.units = catalog.unit
        self._by_key = {gateway.id: gateway for gateway in catalog.gateways.values()}
        self._codes = {code for _gateway, code in catalog.devices}
        behind = Counter(device.gateway for device in catalog.devices.values())
        self._only = {
            device.gateway: device for device in catalog.devices.values() if behind[device.gateway] == 1
        }

    def gateway(self, code: str) -> Gateway | None:
        """Return the gateway of a code, None for "" and strangers."""
        return self._catalog.gateways.get(code) if self._catalog and code else None

    def owner(self, code: str) -> int:
        """Return the key of the gateway of a code, 0 for none: who a reject is counted for."""
        gateway = self.gateway(code)
        return gateway.id if gateway else 0

    def find(self, gateway: str, device: str) -> Origin:
        """Return who sends; raises Refusal that says whose it is, as far as that is known."""
        origin = self._origins.get((gateway, device))
        if origin is None:
            if len(self._origins) >= MOST_CACHED:
                self._origins.clear()
            origin = self._origins[gateway, device] = self._find(gateway, device)
        return origin

    def _find(self, gateway: str, device: str) -> Origin:
        assert self._catalog is not None, "follow comes first"
        if not gateway:
            return self._by_device(device)
        owner = self.gateway(gateway)
        if owner is None:
            raise Refusal(Reason.UNKNOWN_GATEWAY, f"no gateway {brief(gateway)} in the registry")
        found = self._catalog.devices.get((gateway, device)) or (
            self._only.get(owner.id) if not device or device == gateway else None
        )
        if found is None:
            raise self._stranger(owner, device)
        return self._origin(owner, found)

    def _stranger(self, owner: Gateway, device: str) -> Refusal:
        if device:
            return stranger(owner, device, self._codes)
        problem = f"the message names no device, and gateway {owner.code} has none or several"
        return Refusal(Reason.UNKNOWN_DEVICE, problem, owner.id)

    def _by_device(self, device: str) -> Origin:
        assert self._catalog is not None
        found = self._catalog.device_by_name.get(device)
        if found is None:
            owner = self.gateway(device)
            found = self._only.get(owner.id) if owner else None
        if found is None:
            what = f"no device {brief(device)}, or more than one" if device else "nothing names the device"
            raise Refusal(Reason.UNKNOWN_DEVICE, what)
        return self._origin(self._by_key[found.gateway], found)

    def _origin(self, owner: Gateway, device: Device) -> Origin:
        return Origin(
            gateway=owner.id, gateway_code=owner.code, device=device, zone=zone_of(owner.zone),
            lenient=owner.lenient, channels=Channels(device, self.names),
        )  # fmt: skip


@lru_cache(maxsize=64)
def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its name, that of China for one that does not exist."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return CHINA
