"""What runs, what came in, what is open: the folder's up.json, checked live, and what the processes say."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.errors import ServerError
from service.embedded.process import is_running
from service.lock import holder

TIMEOUT_S = 2.0
# What each process reports at /status.
_PARTS = {"pipeline": ("ledger", "alerts", "notifications"), "notifier": ("notifications",)}


def status(data: Path) -> dict[str, Any]:
    """Return the state of the `fengsui up` that runs in `data`.

    {"pid", "data", "addresses",
     "children": [{"name", "state", "pid", "restarts", "last_exit", "log", "ready"}],
     "ledger", "alerts", "notifications", "problems": [text]}; a part is null while nobody can tell.
    Raises ServerError when nothing runs there.
    """
    pid = holder(data)
    if not pid:
        raise ServerError(
            f"nothing runs in {data}. Start it with `fengsui up --data {data}`, or name its folder"
        )
    try:
        found: dict[str, Any] = json.loads((data / "up.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ServerError(f"process {pid} is just starting in {data}. Ask again in a moment") from error
    found |= {"ledger": None, "alerts": None, "notifications": None, "problems": []}
    for child in found["children"]:
        _check(child, found)
    return found


def _check(child: dict[str, Any], found: dict[str, Any]) -> None:
    """Hold what the supervisor wrote against what is there now."""
    if child["state"] == "running" and not is_running(child["pid"]):
        child["state"] = "died"
    child["ready"] = child["state"] == "running"
    address = found["addresses"].get(child["name"])
    if child["ready"] and child["name"] in _PARTS:
        child["ready"] = not (waiting := ready(address))
        if waiting:
            found["problems"].append(f"{child['name']}: {waiting}")
        said = _get_json(f"{address}/status") or {}
        for part in _PARTS[child["name"]]:
            found[part] = said.get(part, found[part])
    elif not child["ready"]:
        why = f", last ended by {child['last_exit']}" if child["last_exit"] else ""
        found["problems"].append(f"{child['name']}: {child['state']}{why}; see {child['log']}")


def ready(address: str) -> str:
    """Return "" when the process at `address` says that it is ready, else what it waits for."""
    try:
        with urllib.request.urlopen(f"{address}/readyz", timeout=TIMEOUT_S):  # noqa: S310 - our own address
            return ""
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.read().decode("utf-8", "replace").strip() or str(answer.code)
    except OSError as error:
        return f"does not answer ({getattr(error, 'reason', error)})"


def answers(url: str) -> bool:
    """Return whether a web server answers there, with whatever code."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S):  # noqa: S310 - our own address
            return True
    except urllib.error.HTTPError as answer:
        answer.close()
        return answer.code < 500
    except OSError:
        return False


def _get_json(url: str) -> Mapping[str, Any] | None:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - our own address
            said = json.load(answer)
    except (OSError, ValueError):
        return None
    return said if isinstance(said, Mapping) else None
