"""The command line: quick, teaching, and without tracebacks for what people did wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from service.cli import application

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"numpy", "django", "psycopg", "paho", "scipy", "matplotlib", "httpx", "uvicorn", "structlog"}


def fengsui(*words, **env):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FENGSUI_")}
    return subprocess.run(
        [sys.executable, "-m", "service.cli", *words],
        env=clean | env, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_help_loads_nothing_heavy():
    code = "import sys, service.cli as c; c.application(); print(*{m.split('.')[0] for m in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & HEAVY


def commands(app, path=()):
    group = typer.main.get_command(app)

    def walk(command, path):
        subcommands = getattr(command, "commands", None)
        if not subcommands:
            yield path, command
        for name, sub in sorted((subcommands or {}).items()):
            yield from walk(sub, (*path, name))

    return list(walk(group, path))


ALL = commands(application())


@pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) for path, _ in ALL])
def test_every_command_says_what_it_does(path, command):
    assert command.help, path
    done = CliRunner().invoke(application(), [*path, "--help"])
    assert done.exit_code == 0
    assert "Usage" in done.output


def test_the_nouns_are_there():
    assert {path[0] for path, _ in ALL} >= {
        "up",
        "run",
        "status",
        "doctor",
        "config",
        "check-config",
        "migrate",
    }


def test_an_error_for_people_is_a_line_and_exit_code_2(tmp_path):
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[mqtt]\nport = 0\n")
    done = fengsui("check-config", str(wrong))
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"{wrong} [mqtt] port" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_config_says_that_it_is_good(tmp_path):
    good = tmp_path / "good.toml"
    good.write_text("[mqtt]\nport = 1884\n")
    done = fengsui("check-config", str(good))
    assert (done.returncode, done.stderr) == (0, "")
    assert "good" in done.stdout


def test_config_show_hides_secrets(tmp_path):
    done = fengsui("config", "show", FENGSUI_CONFIG=str(tmp_path / "empty.toml"))
    assert done.returncode == 2
    (tmp_path / "empty.toml").touch()
    done = fengsui(
        "config", "show", FENGSUI_CONFIG=str(tmp_path / "empty.toml"), FENGSUI_DATABASE__DSN="password=geheim"
    )
    assert done.returncode == 0
    assert "geheim" not in done.stdout
    assert "********" in done.stdout


def test_a_process_without_a_database_is_told_what_to_do(tmp_path):
    (tmp_path / "empty.toml").touch()
    done = fengsui("migrate", "--config", str(tmp_path / "empty.toml"))
    assert done.returncode == 2
    assert "[database] dsn" in done.stderr


def test_status_of_nothing(tmp_path):
    done = fengsui("status", "--data", str(tmp_path))
    assert done.returncode == 2
    assert "nothing runs" in done.stderr
