"""A recorded CSV as timed rows: the same file and mapping give the same readings at the same times."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from core.errors import ConfigError
from core.time import SECOND, from_datetime
from simulators.mapping import Mapping

MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """One row that was recorded.

    number    line of the file (the header is line 1)
    t         event time, ns since 1970, whole milliseconds
    values    signal -> value; cells that hold no number are left out
    """

    number: int
    t: int
    device: str
    values: dict[str, float]


@dataclass(frozen=True, slots=True)
class Survey:
    """What is in a recording: counts, and the first and last time of the file (ns)."""

    n_rows: int
    n_values: int
    n_empty: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Recording:
    """A file read under a mapping.

    runs : Collection[int] | None   only these runs; None = all
    """

    path: Path
    mapping: Mapping
    runs: Collection[int] | None = None

    def rows(self) -> Iterator[Row]:
        """Yield the rows in the order of the file; raises ConfigError naming the line and the column."""
        clock = _Clock(self.mapping)
        columns = self.mapping.signals()
        with _open(self.path) as text:
            lines = csv.DictReader(text)
            self._check_header(lines.fieldnames or ())
            for cells in lines:
                run = self._run(cells, lines.line_num)
                # Times of runs that are left out count: a run has the same times whoever else is replayed.
                t = self._time(clock, cells, run, lines.line_num)
                if self.runs is None or run in self.runs:
                    values = {
                        column.signal: value * column.scale + column.offset
                        for name, column in columns.items()
                        if (value := _number(cells[name])) is not None
                    }
                    yield Row(lines.line_num, t, self.mapping.device.format(run=run), values)

    def survey(self) -> Survey:
        """Read the whole file once; raises ConfigError, also when no row is left."""
        n_rows = n_values = 0
        times: list[int] = []
        for row in self.rows():
            n_rows += 1
            n_values += len(row.values)
            times = [row.t, row.t] if not times else [min(times[0], row.t), max(times[1], row.t)]
        if not times:
            raise ConfigError(str(self.path), "holds no row to replay", "Look at --runs and at the file")
        n_cells = n_rows * len(self.mapping.columns)
        return Survey(n_rows, n_values, n_cells - n_values, times[0], times[1])

    def _check_header(self, names: Collection[str]) -> None:
        wanted = [self.mapping.time.column, *self.mapping.columns]
        if self.mapping.run:
            wanted.append(self.mapping.run.column)
        missing = [name for name in wanted if name not in names]
        if missing:
            raise ConfigError(
                f"{self.path} line 1",
                f"has no column {', '.join(missing)}; it has {', '.join(names)}",
                "Take the mapping that was written for this file",
            )

    def _run(self, cells: dict[str, str], line: int) -> int:
        if self.mapping.run is None:
            return 0
        cell = cells[self.mapping.run.column]
        try:
            return int(cell)
        except ValueError as error:
            where = f"{self.path} line {line} {self.mapping.run.column}"
            raise ConfigError(where, f"{cell!r} is no number of a run", "Correct the row") from error

    def _time(self, clock: _Clock, cells: dict[str, str], run: int, line: int) -> int:
        cell = cells[self.mapping.time.column]
        try:
            return clock.read(cell, run)
        except ValueError as error:
            where = f"{self.path} line {line} {self.mapping.time.column}"
            raise ConfigError(
                where, f"{cell!r} is no time in the form {self.mapping.time.format!r}", "Correct the row"
            ) from error


class _Clock:
    """Reads a file's times in order; runs follow each other."""

    def __init__(self, mapping: Mapping) -> None:
        self._time = mapping.time
        self._zone = ZoneInfo(mapping.time.zone)
        self._gap_ns = round(mapping.run.gap_s * SECOND) if mapping.run else 0
        self._run: int | None = None
        self._start = from_datetime(mapping.time.start.astimezone(UTC)) if mapping.time.start else 0
        self._latest = 0

    def read(self, cell: str, run: int) -> int:
        """Return ns since 1970, whole milliseconds; raises ValueError."""
        if self._time.format == "seconds":
            return self._relative(cell, run)
        moment = (
            datetime.fromisoformat(cell)
            if self._time.format == "iso"
            else datetime.strptime(cell, self._time.format)  # noqa: DTZ007 - the zone follows
        )
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self._zone)
        return from_datetime(moment.astimezone(UTC)) // MS * MS

    def _relative(self, cell: str, run: int) -> int:
        if self._run is not None and run != self._run:
            self._start = self._latest + self._gap_ns
        self._run = run
        self._latest = self._start + round(float(cell) * 1_000) * MS
        return self._latest


def _open(path: Path) -> io.TextIOBase:
    """Open a CSV, gzipped or not; raises ConfigError."""
    try:
        raw = gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115
    except OSError as error:
        raise ConfigError(str(path), error.strerror or str(error), "Name a CSV file") from error
    return io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")


def _number(cell: str | None) -> float | None:
    """Return the number in a cell; None for an empty cell, a word, NaN and infinities."""
    try:
        value = float(cell or "")
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None
