"""The registry takes every town that ships, and says nothing changed when it is given again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOWNS = [ROOT / "simulators" / "town.toml", *sorted((ROOT / "simulators" / "mappings").glob("*.town.toml"))]


def fengsui(dsn, *words):
    done = subprocess.run(
        [sys.executable, "-m", "service.cli", *words],
        cwd=ROOT, env=os.environ | {"FENGSUI_DATABASE__DSN": dsn},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("town", TOWNS, ids=lambda town: town.name)
def test_the_registry_takes_a_town_and_the_same_again_changes_nothing(database, town):
    assert "imported" in fengsui(database, "registry", "import", str(town))
    assert "unchanged" in fengsui(database, "registry", "import", str(town))
