"""What is installed is pinned, and from nowhere in particular."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")


def test_the_lock_pins_everything_by_hash():
    entries = re.split(
        r"\n(?=\S)", "\n".join(line for line in LOCK.splitlines() if not line.lstrip().startswith("#"))
    )
    for entry in filter(None, map(str.strip, entries)):
        assert "==" in entry.splitlines()[0], entry
        assert "--hash=sha256:" in entry, entry


def test_the_lock_names_no_address():
    assert "://" not in LOCK
    assert "--index" not in LOCK


def test_the_lock_holds_all_that_the_project_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    pinned = {name(line) for line in LOCK.splitlines() if "==" in line and not line.startswith(" ")}
    assert {name(one) for one in asked} <= pinned


def name(requirement):
    return re.match(r"[A-Za-z0-9._-]+", requirement)[0].lower().replace("_", "-").replace(".", "-")
