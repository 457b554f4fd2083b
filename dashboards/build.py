"""Dashboards as JSON files: what Grafana's provisioning reads and `push` sends."""

from __future__ import annotations

import json
from pathlib import Path

from dashboards import live
from dashboards.sdk import JSONEncoder

DASHBOARDS = {live.UID: live.build}
FOLDER = Path(__file__).with_name("json")


def render(uid: str) -> str:
    """Return one dashboard as JSON, always the same text for the same code."""
    return json.dumps(DASHBOARDS[uid](), cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def write(folder: Path = FOLDER) -> list[Path]:
    """Write all dashboards into a folder; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for uid in DASHBOARDS:
        path = folder / f"{uid}.json"
        path.write_text(render(uid), "utf-8")
        files.append(path)
    return files
