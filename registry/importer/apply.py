"""The registry's tables in the words of a town file, and a plan into them; in the caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import models

from registry import signals
from registry.importer.checks import REFERENCES
from registry.importer.fields import OF_KIND
from registry.importer.plan import Plan
from registry.importer.town import KINDS, Held, Key, LimitRow
from registry.models import (
    Area,
    Contact,
    ContactAddress,
    Device,
    DeviceParameter,
    Enterprise,
    Gateway,
    Limit,
    Series,
)
from registry.words import AreaLevel

_MODEL: Mapping[str, type[models.Model]] = {
    "area": Area,
    "enterprise": Enterprise,
    "contact": Contact,
    "gateway": Gateway,
    "device": Device,
    "series": Series,
}
# Columns that make the key of a kind, the reference first.
_KEY = {"device": ("gateway", "code"), "series": ("device", "signal")}
_LISTS = ("limits", "addresses", "parameters")
_CHUNK = 2_000

Ids = dict[str, dict[Key, int]]


def hold() -> tuple[Held, Ids]:
    """Return what the registry holds, and the primary key of each thing."""
    held: dict[str, dict[Key, dict[str, Any]]] = {}
    ids: Ids = {}
    keys: dict[str, dict[int, Key]] = {}
    for kind in KINDS:
        rows = _rows(kind, keys)
        ids[kind] = {key: row.pop("id") for key, row in rows}
        keys[kind] = {id_: key for key, id_ in ids[kind].items()}
        held[kind] = dict(rows)
    _add_lists(held, keys)
    return held, ids


def _columns(kind: str) -> list[str]:
    return list(dict.fromkeys(["id", *(f.column for f in OF_KIND[kind].values()), *REFERENCES[kind]]))


def _rows(kind: str, keys: Mapping[str, Mapping[int, Key]]) -> list[tuple[Key, dict[str, Any]]]:
    """Return (key, columns) of all rows of a kind; references as keys."""
    columns = _columns(kind)
    rows = [
        dict(zip(columns, row, strict=True))
        for row in _MODEL[kind]._default_manager.values_list(*columns).iterator(_CHUNK)  # noqa: SLF001
    ]
    if kind == "series":
        # The series of facts are made by the service, and come and go with nobody's file.
        rows = [row for row in rows if row["signal"] not in signals.facts()]
    own = {row["id"]: (row["code"],) for row in rows} if kind == "area" else {}
    for row in rows:
        for column, other in REFERENCES[kind].items():
            row[column] = (own if kind == other else keys[other]).get(row[column])
    names = _KEY.get(kind, ("code",))
    return [
        ((*row.get(names[0], ()), row[names[1]]) if len(names) == 2 else (row["code"],), row) for row in rows
    ]


def _add_lists(
    held: Mapping[str, Mapping[Key, dict[str, Any]]], keys: Mapping[str, Mapping[int, Key]]
) -> None:
    """Add limits to the series, addresses to the contacts, parameters to the devices."""
    limits: dict[int, list[LimitRow]] = defaultdict(list)
    for id_, *row in Limit.objects.values_list("series_id", *LimitRow._fields).iterator(_CHUNK):
        limits[id_].append(LimitRow(*row))
    addresses: dict[int, list[tuple[str, str]]] = defaultdict(list)
    ways = ContactAddress.objects.order_by("contact_id", "order", "channel")
    for id_, channel, address in ways.values_list("contact_id", "channel", "address"):
        addresses[id_].append((channel, address))
    parameters: dict[int, list[tuple[str, float]]] = defaultdict(list)
    for id_, name, value in DeviceParameter.objects.values_list("device_id", "parameter", "value"):
        parameters[id_].append((name, value))
    for id_, key in keys["device"].items():
        held["device"][key]["parameters"] = tuple(sorted(parameters[id_]))
    for id_, key in keys["series"].items():
        held["series"][key]["limits"] = tuple(sorted(limits[id_]))
    for id_, key in keys["contact"].items():
        held["contact"][key]["addresses"] = tuple(addresses[id_])


def apply(todo: Plan, ids: Ids) -> None:
    """Carry out a plan; `ids` gets the primary keys of what is new."""
    for kind in KINDS:
        for rows in _waves(kind, todo.new[kind]):
            _create(kind, rows, ids)
        _update(kind, todo.changed[kind], ids)
        gone = [ids[kind][key] for key in todo.retired[kind]]
        if gone:
            _MODEL[kind]._default_manager.filter(pk__in=gone).update(active=False)  # noqa: SLF001
    both = {kind: {**todo.new[kind], **todo.changed[kind]} for kind in KINDS}
    _replace_limits(_lists(both["series"], "limits", ids["series"]))
    _replace_addresses(_lists(both["contact"], "addresses", ids["contact"]))
    _replace_parameters(_lists(both["device"], "parameters", ids["device"]))


def _waves(kind: str, rows: Mapping[Key, dict[str, Any]]) -> Iterable[Mapping[Key, dict[str, Any]]]:
    """Areas come level by level, because they refer to one another."""
    if kind != "area":
        return [rows] if rows else []
    by_level = {level: {k: row for k, row in rows.items() if row["level"] == level} for level in AreaLevel}
    return [wave for wave in by_level.values() if wave]


def _plain(kind: str, row: Mapping[str, Any], ids: Ids) -> dict[str, Any]:
    """Return columns as Django wants them: references as primary keys, without lists."""
    refers = REFERENCES[kind]
    return {
        f"{column}_id" if column in refers else column: ids[refers[column]][value]
        if column in refers and value
        else value
        for column, value in row.items()
        if column not in _LISTS
    }


def _create(kind: str, rows: Mapping[Key, dict[str, Any]], ids: Ids) -> None:
    model, last = _MODEL[kind], _KEY.get(kind, ("code",))[-1]
    objects = [model(**{last: key[-1]}, **_plain(kind, row, ids)) for key, row in rows.items()]
    model._default_manager.bulk_create(objects, batch_size=_CHUNK)  # noqa: SLF001
    ids[kind].update(zip(rows, (item.pk for item in objects), strict=True))


def _update(kind: str, rows: Mapping[Key, dict[str, Any]], ids: Ids) -> None:
    """Write the changed columns, all rows that change the same columns together."""
    model = _MODEL[kind]
    groups: dict[tuple[str, ...], list[models.Model]] = defaultdict(list)
    for key, row in rows.items():
        plain = _plain(kind, row, ids)
        if plain:
            groups[tuple(sorted(plain))].append(model(pk=ids[kind][key], **plain))
    for columns, objects in groups.items():
        names = [name.removesuffix("_id") for name in columns]
        model._default_manager.bulk_update(objects, names, batch_size=_CHUNK)  # noqa: SLF001


def _lists(rows: Mapping[Key, Mapping[str, Any]], column: str, ids: Mapping[Key, int]) -> dict[int, Any]:
    return {ids[key]: row[column] for key, row in rows.items() if column in row}


def _replace_limits(limits: Mapping[int, tuple[LimitRow, ...]]) -> None:
    if limits:
        Limit.objects.filter(series_id__in=list(limits)).delete()
        Limit.objects.bulk_create(
            [Limit(series_id=id_, **row._asdict()) for id_, rows in limits.items() for row in rows],
            batch_size=_CHUNK,
        )


def _replace_parameters(parameters: Mapping[int, tuple[tuple[str, float], ...]]) -> None:
    """Make the numbers of each device these; one that stays as it was keeps its reason."""
    old = DeviceParameter.objects.filter(device_id__in=list(parameters))
    rows = {row.pk: (row.device_id, row.parameter, row.value) for row in old}
    wanted = {(id_, *pair) for id_, pairs in parameters.items() for pair in pairs}
    DeviceParameter.objects.filter(pk__in=[pk for pk, row in rows.items() if row not in wanted]).delete()
    DeviceParameter.objects.bulk_create(
        DeviceParameter(device_id=id_, parameter=name, value=value)
        for id_, name, value in sorted(wanted - set(rows.values()))
    )


def _replace_addresses(addresses: Mapping[int, tuple[tuple[str, str], ...]]) -> None:
    if addresses:
        ContactAddress.objects.filter(contact_id__in=list(addresses)).delete()
        ContactAddress.objects.bulk_create(
            ContactAddress(contact_id=id_, channel=channel, address=address, order=order)
            for id_, ways in addresses.items()
            for order, (channel, address) in enumerate(ways)
        )
