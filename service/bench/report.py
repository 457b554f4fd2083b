"""The one shape in which every benchmark reports: {"machine": {…}, "results": [{"case": …, figures}]}."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

Result = dict[str, Any]


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_1min": round(os.getloadavg()[0], 2),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "fengsui": version("fengsui"),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def emit(results: Sequence[Result], *, as_json: bool, title: str) -> None:
    """Print the report: one JSON object, or a table for people."""
    if as_json:
        print(json.dumps({"machine": machine(), "results": list(results)}, ensure_ascii=False))
        return
    table = Table(title=title)
    columns = list(dict.fromkeys(key for result in results for key in result))
    for column in columns:
        table.add_column(column, justify="left" if column == "case" else "right")
    for result in results:
        table.add_row(*(_text(result.get(column, "")) for column in columns))
    Console().print(table)


def _text(figure: object) -> str:
    if isinstance(figure, float):
        return f"{figure:,.3g}" if abs(figure) < 1000 else f"{figure:,.0f}"
    return f"{figure:,}" if isinstance(figure, int) else str(figure)
