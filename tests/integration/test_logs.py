"""Logs are lines of JSON, whoever writes them."""

import json
import subprocess
import sys

CODE = """
import logging, structlog
from service import logs
from service.config import Log
logs.configure(Log(level="info", format={format!r}))
structlog.get_logger("pipeline").info("committed", rows=3)
structlog.get_logger("pipeline").debug("hidden")
logging.getLogger("somebody.else").warning("their %s", "words")
secret = "geheim"
try:
    1 / 0
except ZeroDivisionError as error:
    logs.last_words(error)
"""


def written(form):
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(format=form)], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_json_lines():
    ours, theirs, crash = [json.loads(line) for line in written("json")]
    assert (ours["event"], ours["rows"], ours["level"], ours["logger"]) == (
        "committed",
        3,
        "info",
        "pipeline",
    )
    assert ours["timestamp"].endswith("Z")
    assert (theirs["event"], theirs["logger"]) == ("their words", "somebody.else")
    assert crash["exception"].endswith("ZeroDivisionError: division by zero")
    assert "geheim" not in crash["exception"]


def test_away_from_a_terminal_auto_is_json():
    assert all(json.loads(line) for line in written("auto"))


def test_text():
    lines = written("text")
    assert "committed" in lines[0]
    assert "rows=3" in lines[0]
    assert "\x1b" not in lines[0]
