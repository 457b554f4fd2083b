"""What tells that a file has changed without reading it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

# When a file was written, ns, and its size; None: it is not there.
Stamps: TypeAlias = Mapping[Path, tuple[int, int] | None]


def stamps_of(paths: Iterable[Path]) -> Stamps:
    """Return the stamp of each file; take it before reading, so that no change is missed."""
    return {path: _stamp(path) for path in paths}


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
