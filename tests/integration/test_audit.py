"""`fengsui audit` and the script of the docs against a history that somebody has tampered with."""

import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from fakes.town import RULES, catalog, down, events, up
from typer.testing import CliRunner

from alerts.desk import Desk
from alerts.policy import Policy
from core.time import DAY, clock_ns
from service.cli import application
from storage import alerts as rows

DOCS = Path(__file__).parents[2] / "docs" / "alerts.md"


@pytest.fixture
def history(database, monkeypatch):
    """A database with a history of two days; `change` alters it, `audit` says what is found."""
    monkeypatch.setenv("FENGSUI_DATABASE__DSN", database)
    desk, now = Desk((), Policy(), catalog(), RULES), clock_ns()
    with psycopg.connect(database) as connection:
        for n in range(1, 40):
            at = now + (DAY if n > 20 else 0) + n
            said = up(n, subject=n % 4) if n % 3 else down(n, subject=(n - 1) % 4)
            rows.write(connection, desk.step(events(said), at), at)
            connection.commit()
    return History(database)


class History:
    def __init__(self, dsn):
        self.dsn = dsn
        self.n = self.rows("SELECT count(*) FROM transition")[0][0]

    def rows(self, sql):
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def audit(self, *words):
        done = CliRunner().invoke(application(), ["audit", *(words or ("verify",))], catch_exceptions=False)
        return done.exit_code, done.output

    def script(self):
        text = re.search(r"```python\n(# Verifies.*?)```", DOCS.read_text("utf-8"), re.DOTALL)[1]
        return subprocess.run(
            [sys.executable, "-c", text, self.dsn], capture_output=True, text=True, timeout=60, check=False
        )


def test_an_untouched_history_is_good(history):
    code, output = history.audit()
    assert (code, output.startswith(f"good: {history.n} lines")) == (0, True)
    assert history.n > 20
    assert history.script().returncode == 0
    assert len(history.rows("SELECT * FROM anchor")) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE transition SET by_whom = 'nobody' WHERE n = 7", "line 7 "),
        ("UPDATE transition SET value = 1 WHERE n = 5", "line 5 "),
        ("DELETE FROM transition WHERE n = 9", "line 9 is missing"),
        ("DELETE FROM transition WHERE n > 15", "the chain ends at 15"),
        ("DELETE FROM transition WHERE n = 1", "line 1 is missing"),
        (
            "UPDATE transition SET n = -n WHERE n IN (3, 4); UPDATE transition SET n = 7 + n WHERE n < 0",
            "line 3 ",
        ),
        ("UPDATE transition SET n = 0, hash = '' WHERE n = 6", "line 6 is missing"),
        ("UPDATE transition SET n = 0, hash = '' WHERE n = 6", "stands outside the chain"),
        ("DELETE FROM chain", "head"),
        ("UPDATE chain SET n = n - 1", "its head says"),
        ("UPDATE anchor SET hash = 'x'", "anchor"),
        ("TRUNCATE transition", "there is an anchor, and no such line"),
    ],
)
def test_whatever_was_done_to_it_is_found(history, change, said):
    history.rows(change)
    code, output = history.audit()
    assert (code, said in output) == (1, True), output
    if "anchor" not in change and "DELETE FROM chain" not in change:
        assert history.script().returncode == 1


def test_a_chain_made_anew_does_not_fit_a_place_kept_elsewhere(history):
    kept = history.audit("anchors")[1].splitlines()[-1].split()[1]
    assert history.audit("verify", "--anchor", kept)[0] == 0
    n, digest = kept.split(":")
    code, output = history.audit("verify", "--anchor", f"{n}:{'0' * len(digest)}")
    assert (code, f"line {n}" in output) == (1, True)
    assert history.audit("verify", "--anchor", "nonsense")[0] == 2
