"""`fengsui registry …` as a person runs it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs/registry.md").read_text("utf-8")
TOML = re.search(r"```toml\n(.*?)```", DOCS, re.DOTALL)[1]


def registry(dsn, *words):
    """Run the command in an empty environment but for the database; return (exit code, output, errors)."""
    env = {"PATH": os.environ["PATH"], "FENGSUI_DATABASE__DSN": dsn, "PYTHONPATH": str(ROOT), "NO_COLOR": "1",
           "COLUMNS": "200"}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "service.cli", "registry", *words],
        env=env, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_a_town_goes_in_and_comes_out_unchanged(database, tmp_path):
    town, again = tmp_path / "town.toml", tmp_path / "again.toml"
    town.write_text(TOML, "utf-8")
    code, out, err = registry(database, "import", str(town))
    assert (code, err) == (0, "")
    assert re.search(r"series +7 +0 +0 +0", out)
    assert "unchanged" in registry(database, "import", str(town))[1]

    code, out, _err = registry(database, "list", "--json")
    assert json.loads(out)["series"] == {"all": 7, "active": 7}
    code, out, _err = registry(database, "show", "gw-e01/dc-1")
    assert "灰斗温度" in out

    again.write_text(registry(database, "export", "--addresses")[1], "utf-8")
    assert "unchanged" in registry(database, "import", str(again))[1]


def test_a_wrong_town_is_refused_with_line_and_remedy(database, tmp_path):
    town = tmp_path / "town.toml"
    town.write_text(TOML.replace('role = "safety_officer"', 'role = "safty_officer"'), "utf-8")
    code, _out, err = registry(database, "import", str(town))
    line = TOML[: TOML.index('role = "safety_officer"')].count("\n") + 1
    assert code == 2
    assert f"town.toml, line {line}: role = 'safty_officer'" in err
    assert "Did you mean safety_officer?" in err
    assert "nothing was imported" in err
    assert "Traceback" not in err


def test_what_is_not_there_is_said(database, tmp_path):
    code, _out, err = registry(database, "import", str(tmp_path / "no.toml"))
    assert (code, "cannot be read" in err) == (2, True)
    code, _out, err = registry(database, "show", "nobody")
    assert (code, "nothing has the code 'nobody'" in err) == (2, True)
