"""Rotas from a TOML file (docs/registry.md) into the registry: each replaces the one of its code, all or nothing."""

from __future__ import annotations

import tomllib
from datetime import date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
from django.core.exceptions import ValidationError
from django.db import transaction

from core.errors import TownError
from registry.models import Area, Enterprise, Rota, RotaLayer, RotaOverride
from registry.words import DutyDays, Role, TurnUnit


class LayerTable(msgspec.Struct, forbid_unknown_fields=True):
    """One of `layers`."""

    start: date
    turns: str
    name: str = ""
    every: TurnUnit = TurnUnit.WEEK
    n: int = 1
    begin: time = time(8)
    end: time = time(8)
    days: DutyDays = DutyDays.ALL
    until: date | None = None


class OverrideTable(msgspec.Struct, forbid_unknown_fields=True):
    """One of `overrides`; times without an offset are the rota's own."""

    begin: datetime
    end: datetime
    who: str
    instead_of: str = ""
    note: str = ""


class RotaTable(msgspec.Struct, forbid_unknown_fields=True):
    """One [[rota]]; overrides that it does not name are left alone, an empty list removes them."""

    code: str
    name: str
    role: Role
    enterprise: str = ""
    area: str = ""
    zone: str = "Asia/Shanghai"
    active: bool = True
    layers: list[LayerTable] = []
    overrides: list[OverrideTable] | None = None


class RotaFile(msgspec.Struct, forbid_unknown_fields=True):
    """The whole file."""

    rota: list[RotaTable] = []


def import_rotas(path: Path) -> list[str]:
    """Make the registry say what a file says; return the codes.  Raises TownError, and then nothing was changed."""
    try:
        tree = tomllib.loads(path.read_text("utf-8"))
        tables = msgspec.convert(tree, RotaFile).rota
    except OSError as error:
        raise TownError(str(path), f"cannot be read: {error.strerror}", "Name a file that can.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TownError(str(path), f"is no TOML: {error}", "Correct it.") from error
    except msgspec.ValidationError as error:
        raise TownError(str(path), str(error), "docs/registry.md shows a rota with every key.") from error
    with transaction.atomic():
        for table in tables:
            try:
                _put(table)
            except ValidationError as error:
                words = "; ".join(error.messages)
                raise TownError(f"{path} [[rota]] {table.code}", words, "Correct it.") from error
    return [table.code for table in tables]


def _put(table: RotaTable) -> None:
    rota = Rota.objects.filter(code=table.code).first() or Rota(code=table.code)
    rota.name, rota.role, rota.zone, rota.active = table.name, table.role.value, table.zone, table.active
    rota.enterprise = _enterprise(table.enterprise)
    rota.area = _area(table.area)
    rota.full_clean()
    rota.save()
    layers = [
        RotaLayer(rota=rota, order=order, **msgspec.structs.asdict(layer))
        for order, layer in enumerate(table.layers)
    ]
    for layer in layers:
        layer.full_clean()
    rota.layers.all().delete()
    RotaLayer.objects.bulk_create(layers)
    if table.overrides is not None:
        _put_overrides(rota, table.overrides)


def _put_overrides(rota: Rota, tables: list[OverrideTable]) -> None:
    zone = ZoneInfo(rota.zone)
    overrides = [RotaOverride(rota=rota, **msgspec.structs.asdict(table)) for table in tables]
    for override in overrides:
        override.begin = override.begin if override.begin.tzinfo else override.begin.replace(tzinfo=zone)
        override.end = override.end if override.end.tzinfo else override.end.replace(tzinfo=zone)
        override.full_clean()
    rota.overrides.filter(source="").delete()
    RotaOverride.objects.bulk_create(overrides)


def _enterprise(code: str) -> Enterprise | None:
    found = Enterprise.objects.filter(code=code).first() if code else None
    if code and found is None:
        raise ValidationError(f"there is no enterprise {code!r}")
    return found


def _area(code: str) -> Area | None:
    found = Area.objects.filter(code=code).first() if code else None
    if code and found is None:
        raise ValidationError(f"there is no area {code!r}")
    return found
