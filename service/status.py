"""What runs, what came in, what is open: the folder's up.json, checked live, and what the processes say."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.errors import ServerError
from service.config import Config
from service.embedded.process import is_running
from service.lock import holder

TIMEOUT_S = 2.0
_WITH_A_FACE = ("pipeline", "notifier", "console")


def status(data: Path) -> dict[str, Any]:
    """Return the state of the `fengsui up` that runs in `data`.

    {"pid", "data", "addresses",
     "children": [{"name", "state", "pid", "restarts", "last_exit", "log", "ready"}],
     "ledger", "rejects", "alerts", "notifications", "problems": [text]}; a part is null while nobody can tell.
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
    found |= {"ledger": None, "rejects": None, "alerts": None, "notifications": None, "problems": []}
    for child in found["children"]:
        _check(child, found)
    return found


def _check(child: dict[str, Any], found: dict[str, Any]) -> None:
    """Hold what the supervisor wrote against what is there now."""
    if child["state"] == "running" and not is_running(child["pid"]):
        child["state"] = "died"
    child["ready"] = child["state"] == "running"
    if not child["ready"]:
        why = f", last ended by {child['last_exit']}" if child["last_exit"] else ""
        found["problems"].append(f"{child['name']}: {child['state']}{why}; see {child['log']}")
    elif child["name"] in _WITH_A_FACE:
        address = found["addresses"][child["name"]]
        if waiting := ready(address):
            child["ready"] = False
            found["problems"].append(f"{child['name']}: {waiting}")
        if child["name"] != "console":
            _ask(address, found)


def _ask(address: str, found: dict[str, Any]) -> None:
    """Take over what a process counts."""
    said = _get_json(f"{address}/status") or {}
    if "ledger" in said:
        found["ledger"] = {**said["ledger"], "in_flight": said.get("in_flight", 0)}
    if "rejects" in said:
        found["rejects"] = said["rejects"]
    if "alerts_open" in said:
        found["alerts"] = {"open": said["alerts_open"]}
    if "notifications" in said:
        found["notifications"] = said["notifications"]


def addresses(config: Config) -> dict[str, str]:
    """Return where each process of a configuration answers /readyz."""
    metrics, console = config.metrics, config.console
    return {
        "pipeline": f"http://{reachable(metrics.host)}:{metrics.pipeline_port}",
        "notifier": f"http://{reachable(metrics.host)}:{metrics.notifier_port}",
        "console": f"http://{reachable(console.host)}:{console.port}",
    }


def reachable(host: str) -> str:
    """Return where a program on this machine finds a server that listens on `host`."""
    return "127.0.0.1" if host in ("0.0.0.0", "::", "") else host  # noqa: S104 - compared, not bound


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


def _get_json(url: str) -> Mapping[str, Any] | None:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - our own address
            said = json.load(answer)
    except (OSError, ValueError):
        return None
    return said if isinstance(said, Mapping) else None
