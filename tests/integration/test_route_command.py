"""`fengsui route …` and `fengsui check-config` against the documented town, and the routes of the documentation."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from alerts.routes_file import read_routes

ROOT = Path(__file__).parents[2]
TOWN = re.search(r"```toml\n(.*?)```", (ROOT / "docs/registry.md").read_text("utf-8"), re.DOTALL)[1]
ROUTES = re.search(r"```yaml\n(departments:.*?)```", (ROOT / "docs/alerts.md").read_text("utf-8"), re.DOTALL)[
    1
]
NIGHT = """
routes:
- name: night
  match: {time: "22:00-06:00", rule: "D-*"}
  to: [{role: principal}]
"""


@pytest.fixture
def fengsui(database, tmp_path):
    """Run the command line over the documented town, with `routes` in force."""
    town, config = tmp_path / "town.toml", tmp_path / "fengsui.toml"
    town.write_text(TOWN, "utf-8")

    def run(*words, routes=""):
        path = tmp_path / "routes.yaml"
        path.write_text(routes, "utf-8")
        config.write_text(
            f"[database]\ndsn = {json.dumps(database)}\n[alerts]\nroutes = {json.dumps(str(path))}\n", "utf-8"
        )
        env = {"PATH": os.environ["PATH"], "FENGSUI_CONFIG": str(config), "PYTHONPATH": str(ROOT), "NO_COLOR": "1",
               "COLUMNS": "200"}  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "service.cli", *words], env=env, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    code, _out, err = run("registry", "import", str(town))
    assert code == 0, err
    return run


def told(fengsui, at, *, routes=NIGHT, level="orange"):
    words = ("--rule", "D-02", "--device", "gw-e01/dc-1", "--level", level, "--at", at, "--json")
    code, out, err = fengsui("route", "test", *words, routes=routes)
    assert code == 0, err
    return json.loads(out)["told"]


def test_who_gets_an_alert_depends_on_the_time_and_is_explained(fengsui):
    night, noon = told(fengsui, "2026-11-21T23:00"), told(fengsui, "2026-11-21T12:00")
    assert night[0]["why"].startswith("night: ")
    assert noon[0]["why"].startswith("default: ")
    assert {line["after_s"] for line in noon} >= {0.0}
    red = told(fengsui, "2026-11-21T12:00", level="red")
    assert {line["after_s"] for line in red} & {600.0, 1800.0}
    assert "立即" in fengsui("route", "test", "--rule", "D-02", "--enterprise", "E01")[1]


def test_what_is_meant_must_be_in_the_registry(fengsui):
    code, _out, err = fengsui("route", "test", "--rule", "D-02", "--device", "nowhere/x")
    assert (code, "GATEWAY/DEVICE" in err) == (2, True)


def test_holes_are_found_by_both_commands(fengsui):
    routes = "routes: [{to: [{contact: nemo}]}]"
    code, out, _err = fengsui("route", "check", routes=routes)
    assert (code, "no contact nemo" in out) == (1, True)
    code, out, _err = fengsui("check-config", routes=routes)
    assert code == 0
    assert re.search(r"1 routes; people missing in the registry: [1-9]", out)


def test_a_wrong_routes_file_stops_the_start_with_its_line(fengsui):
    code, _out, err = fengsui("check-config", routes="routes:\n- match: {levle: red}\n")
    assert code == 2
    assert "routes.yaml:2" in err
    assert "Did you mean level?" in err


def test_the_routes_of_the_documentation_are_good():
    tree = read_routes(ROUTES, "docs/alerts.md", channels=frozenset({"wecom_app", "sms"}))
    assert [one.node.name for one in tree.nodes] == ["copy for the department", "metal dust at night", "rest"]
