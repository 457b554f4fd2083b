"""OpenCatalog: a registry in which every gateway, device and signal exists; for looking at messages without one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from registry.catalog import Catalog, Device, Gateway, Limits

MOST_SERIES = 65_536


class _Made(dict[Any, Any]):
    """A mapping that makes what it is asked for; None when it may not."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Any) -> Any:
        made = self._make(key)
        if made is None:
            raise KeyError(key)
        self[key] = made
        return made

    def get(self, key: Any, default: Any = None) -> Any:
        """Return what is asked for, made now if need be."""
        try:
            return self[key]
        except KeyError:
            return default

    def __contains__(self, key: object) -> bool:
        return self.get(key) is not None


class OpenCatalog:
    """Makes `catalog`, and remembers whose the series are that were asked for.

    owner : series → (gateway, device, signal)
    """

    def __init__(self, *, zone: str = "Asia/Shanghai", lenient: bool = False) -> None:
        self.zone, self.lenient = zone, lenient
        self.owner: dict[int, tuple[str, str, str]] = {}
        self._gateway = np.zeros(MOST_SERIES, np.int32)
        self._signal = [""] * MOST_SERIES
        self._n_devices = 0
        everywhere = np.ones(MOST_SERIES, np.bool_)
        nobody = np.zeros(MOST_SERIES, np.int32)
        none: list[Any] = [np.zeros(0)] * 7
        self._gateways = _Made(lambda code: Gateway(len(self._gateways) + 1, code, 1, zone, lenient))
        self._gateways[""] = Gateway(1, "", 1, zone, lenient)
        self._devices = _Made(self._device)
        self.catalog = Catalog(
            "open", everywhere, nobody, self._gateway, nobody, nobody.astype(np.int64),
            np.full(MOST_SERIES, -np.inf), np.full(MOST_SERIES, np.inf), everywhere,
            cast("tuple[str, ...]", self._signal), ("",) * MOST_SERIES, Limits(*none),
            self._gateways, self._devices, _Made(lambda code: self._devices["", code]), {}, (),
        )  # fmt: skip

    def _device(self, place: tuple[str, str]) -> Device:
        gateway = self._gateways[place[0]]
        self._n_devices += 1
        series = _Made(lambda signal: self._series(gateway, place[1], signal))
        return Device(self._n_devices, place[1], gateway.id, 1, "other", series)

    def _series(self, gateway: Gateway, device: str, signal: str) -> int | None:
        key = len(self.owner) + 1
        if key >= MOST_SERIES:
            return None
        self.owner[key] = (gateway.code, device, signal)
        self._gateway[key], self._signal[key] = gateway.id, signal
        return key
