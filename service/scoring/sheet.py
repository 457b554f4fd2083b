"""Score sheets: one CSV per data file, under the same relative name, and the folder walk shared by corpora."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from core.errors import SourceError


def data_files(root: Path) -> list[Path]:
    """Return every .csv and .csv.gz below `root/data`, sorted; raises SourceError when there is none."""
    found = sorted(
        path for path in (root / "data").rglob("*.csv*") if path.name.endswith((".csv", ".csv.gz"))
    )
    if not found:
        raise SourceError(
            str(root),
            "no data/FOLDER/FILE.csv below it",
            "Name the folder that holds data/ (and, for a score, the labels)",
        )
    return found


def read_rows(path: Path, delimiter: str) -> list[list[str]]:
    """Return header and rows of a (gzipped) CSV as text; empty lines are skipped."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8", newline="") as handle:
        return [row for row in csv.reader(handle, delimiter=delimiter) if row]


def column(path: Path, header: Sequence[str], name: str) -> int:
    """Return the index of a column; raises SourceError naming the columns that are there."""
    if name not in header:
        there = ", ".join(header)
        raise SourceError(
            str(path), f"no column {name!r}, there are: {there}", "See the corpus's own description"
        )
    return header.index(name)


def write_sheets(out: Path, sheets: Mapping[str, tuple[Sequence[str], Iterable[Sequence[object]]]]) -> None:
    """Write {relative name: (header, rows)} below `out`; existing sheets are replaced."""
    for name, (header, rows) in sheets.items():
        path = out / name.removesuffix(".gz")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)
