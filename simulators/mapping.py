"""What the columns of a recorded CSV mean: which device and signal, in which time, on which scale."""

from __future__ import annotations

from datetime import datetime
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from core.errors import ConfigError


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column that is a signal: what is sent is `cell * scale + offset`."""

    signal: str
    scale: float = 1.0
    offset: float = 0.0


class Time(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a row's time stands.

    format   "iso", "seconds" (since `start`), or a pattern of strptime
    zone     zone of times that do not say theirs
    start    when second 0 was; only for "seconds"
    """

    column: str
    format: str = "iso"
    zone: str = "Asia/Shanghai"
    start: datetime | None = None


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Recordings of several runs one after the other, each with its own second 0 and its own device.

    column   number of the run
    gap_s    between the last row of a run and second 0 of the next one
    """

    column: str
    gap_s: float = 60.0


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One mapping file.

    town      the registry file with devices and limits, beside the mapping
    device    code of the device; "{run}" and "{run:02d}" stand for the number of the run
    columns   column -> signal, or a table with signal, scale, offset
    """

    title: str
    town: str
    gateway: str
    device: str
    time: Time
    columns: dict[str, str | Column]
    run: Run | None = None

    def signals(self) -> dict[str, Column]:
        """Return column -> what it means."""
        return {
            name: Column(column) if isinstance(column, str) else column
            for name, column in self.columns.items()
        }


def shipped() -> list[str]:
    """Return the names of the mappings that come with the service."""
    folder = files("simulators.mappings")
    names = [entry.name for entry in folder.iterdir() if entry.name.endswith(".toml")]
    return sorted(name.removesuffix(".toml") for name in names if not name.endswith(".town.toml"))


def find(name_or_path: str) -> Path:
    """Return the file of a mapping: a path, or the name of one that is shipped; raises ConfigError."""
    if name_or_path in shipped():
        return Path(str(files("simulators.mappings").joinpath(f"{name_or_path}.toml")))
    path = Path(name_or_path)
    if path.is_file():
        return path
    raise ConfigError(
        f"--mapping {name_or_path}",
        "is neither a file nor a mapping that is shipped",
        f"Name a file, or one of {', '.join(shipped())}",
    )


def load(path: Path) -> Mapping:
    """Read a mapping; raises ConfigError naming file, key and what was expected."""
    try:
        mapping = msgspec.toml.decode(path.read_bytes(), type=Mapping)
    except (msgspec.DecodeError, OSError) as error:
        raise ConfigError(str(path), str(error), "docs/simulators.md describes mappings") from error
    _check(mapping, str(path))
    return mapping


def _check(mapping: Mapping, where: str) -> None:
    time = mapping.time
    if (time.format == "seconds") != (time.start is not None):
        raise ConfigError(
            f"{where} [time] start", "seconds need it and nothing else has it", "Say when second 0 was"
        )
    if time.start is not None and time.start.tzinfo is None:
        raise ConfigError(f"{where} [time] start", "has no zone", "Write 2020-01-01T00:00:00+08:00")
    if ("{run" in mapping.device) != (mapping.run is not None):
        raise ConfigError(f"{where} device", "{run} goes with a table [run]", "Give both or neither")
    try:
        ZoneInfo(time.zone)
    except (KeyError, ValueError, OSError) as error:
        raise ConfigError(
            f"{where} [time] zone", f"{time.zone!r} is no zone", "E.g. Asia/Shanghai"
        ) from error


def town_of(mapping: Mapping, path: Path) -> Path:
    """Return the registry file of a mapping; raises ConfigError when it is not there."""
    town = path.parent / mapping.town
    if not town.is_file():
        raise ConfigError(f"{path} town", f"{town} is not there", "Put the registry file beside the mapping")
    return town
