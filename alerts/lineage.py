"""Lineage: what a subject lies in: series in device, device behind gateway, gateway of enterprise; pure."""

from __future__ import annotations

from typing import TypeAlias

from core.events import SubjectKind
from registry.catalog import Catalog

Place: TypeAlias = tuple[SubjectKind, int]


class Lineage:
    """Looked up once per subject and kept: the registry is replaced whole."""

    def __init__(self, directory: Catalog) -> None:
        self._directory = directory
        self._device = {device.id: device for device in directory.devices.values()}
        self._known: dict[Place, dict[SubjectKind, int]] = {}

    def of(self, kind: SubjectKind, key: int) -> dict[SubjectKind, int]:
        """Return the subject itself and what it lies in, by kind; what the registry does not know is left out."""
        place = kind, key
        if place not in self._known:
            self._known[place] = self._look_up(kind, key)
        return self._known[place]

    def _look_up(self, kind: SubjectKind, key: int) -> dict[SubjectKind, int]:
        catalog, found = self._directory, {kind: key}
        if kind == SubjectKind.SERIES and 0 <= key < len(catalog.device):
            found[SubjectKind.DEVICE] = int(catalog.device[key])
            found[SubjectKind.GATEWAY] = int(catalog.gateway[key])
        elif kind == SubjectKind.DEVICE and key in self._device:
            found[SubjectKind.GATEWAY] = self._device[key].gateway
        if kind != SubjectKind.ENTERPRISE and (subject := catalog.subjects.get((kind, key))):
            found[SubjectKind.ENTERPRISE] = subject.enterprise
        return {kind: key for kind, key in found.items() if key}
