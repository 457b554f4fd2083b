"""A town file as a catalog, without a database: to try out what a registry would make of readings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from core.errors import ConfigError, TownError
from registry import signals
from registry.catalog import Catalog
from registry.importer.toml_form import read_toml
from registry.importer.town import Entry, TownRejectedError
from registry.load import Rows, build

Keys = Mapping[str, Mapping[tuple[str, ...], int]]


def read(path: Path) -> Catalog:
    """Return the catalog of a town file; raises ConfigError when it cannot be read, TownError when it is wrong."""
    try:
        return catalog_of(path.read_text("utf-8"), str(path))
    except OSError as error:
        raise ConfigError(str(path), error.strerror or str(error), "Name a town file") from error


def catalog_of(text: str, file: str = "town.toml") -> Catalog:
    """Return the catalog of a town's text, primary keys in the order of the file, without its people.

    A town that leans on what a registry has already, by names that the file does not define, is refused: TownError.
    """
    town = read_toml(text, file)
    if town.errors:
        raise TownRejectedError(file, town.errors)
    entries = {kind: list(found.values()) for kind, found in town.entries.items()}
    ids = {kind: {entry.key: n for n, entry in enumerate(found, 1)} for kind, found in entries.items()}

    def rows(kind: str, row: Callable[[int, Entry, Keys], tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        try:
            return [row(ids[kind][entry.key], entry, ids) for entry in entries[kind]]
        except KeyError as missing:
            raise TownError(
                file, f"names {missing} and does not define it", "Give the whole town"
            ) from missing

    return build(
        Rows(
            areas=rows("area", _area),
            enterprises=rows("enterprise", _enterprise),
            gateways=rows("gateway", _gateway),
            devices=rows("device", _device),
            series=rows("series", _series),
            limits=[
                (ids["series"][e.key], limit.level, limit.side == "high", limit.limit, limit.deadband,
                 limit.on_delay_s, limit.off_delay_s)
                for e in entries["series"] for limit in e.fields.get("limits", ())
            ],
            contacts=[],
            parameters=[
                (ids["device"][e.key], name, value)
                for e in entries["device"] for name, value in e.fields.get("parameters", ())
            ],
        )
    )  # fmt: skip


def _area(id_: int, entry: Entry, ids: Keys) -> tuple[Any, ...]:
    parent = entry.fields.get("parent")
    return id_, entry.fields.get("name", ""), ids["area"][parent] if parent else 0, *entry.key


def _enterprise(id_: int, entry: Entry, ids: Keys) -> tuple[Any, ...]:
    said = entry.fields
    area = ids["area"][said["area"]]
    names = said.get("name", ""), said.get("name_en", "")
    return (
        id_,
        *names,
        area,
        said.get("active", True),
        entry.key[0],
        said.get("grade") or 0,
        said.get("department", ""),
    )


def _gateway(id_: int, entry: Entry, ids: Keys) -> tuple[Any, ...]:
    said = entry.fields
    zone, active = said.get("zone", "Asia/Shanghai"), said.get("active", True)
    return id_, entry.key[0], ids["enterprise"][said["enterprise"]], zone, False, active, 0, False


def _device(id_: int, entry: Entry, ids: Keys) -> tuple[Any, ...]:
    said = entry.fields
    names = said.get("name_zh", ""), said.get("name_en", ""), said.get("place", "")
    return id_, ids["gateway"][entry.key[:1]], entry.key[1], *names, said["profile"], said.get("active", True)


def _series(id_: int, entry: Entry, ids: Keys) -> tuple[Any, ...]:
    known = signals.find(entry.key[-1])
    said = dict(entry.fields)
    if known is not None:
        said = {
            "name_zh": known.zh,
            "name_en": known.en,
            "unit": known.unit,
            "period_s": known.period_s,
            **said,
        }
    words = said.get("name_zh", ""), said.get("name_en", ""), said.get("unit", "")
    span = said.get("physical_low"), said.get("physical_high")
    rest = said.get("mandatory", False), said.get("active", True)
    return id_, ids["device"][entry.key[:2]], entry.key[2], *words, said.get("period_s", 0.0), *span, *rest
