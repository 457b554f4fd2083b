"""One file into the registry, whole or not at all."""

from __future__ import annotations

from pathlib import Path

from django.db import connection, transaction

from core.errors import TownError
from registry.importer.apply import apply, hold
from registry.importer.checks import check
from registry.importer.csv_form import read_csv
from registry.importer.plan import Plan, plan
from registry.importer.toml_form import read_toml
from registry.importer.town import Town, TownRejectedError


def read_town(path: Path) -> Town:
    """Read a town by its ending; raises TownError when it is no text or neither TOML nor CSV."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TownError(str(path), f"cannot be read: {error.strerror}", "Name a file that can.") from error
    readers = {".toml": read_toml, ".csv": read_csv}
    if path.suffix.lower() not in readers:
        raise TownError(str(path), "is neither .toml nor .csv", "Name the file after its form.")
    return readers[path.suffix.lower()](_text(data, path), path.name)


def _text(data: bytes, path: Path) -> str:
    """Return UTF-8, or what Excel writes on a Chinese Windows."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise TownError(str(path), "is neither UTF-8 nor GB 18030", "Save it as UTF-8.")


def import_town(path: Path, *, dry_run: bool = False, retire_missing: bool = False) -> Plan:
    """Make the registry say what the file says, in one transaction; return what was (or would be) done.

    Raises TownError (TownRejectedError with all of them) when the file is wrong; then nothing was changed.
    """
    town = read_town(path)
    with transaction.atomic():
        # One import at a time: both would see the same thing missing. The triggers' row is the natural lock.
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM registry_version WHERE id = 1 FOR UPDATE")
        held, ids = hold()
        check(town, held)
        if town.errors:
            raise TownRejectedError(str(path), sorted(town.errors, key=_line))
        todo = plan(town, held, retire_missing=retire_missing)
        if todo and not dry_run:
            apply(todo, ids)
    return todo


def _line(error: TownError) -> int:
    return int(error.where.rpartition(" ")[2])
