"""`fengsui up` as people use it: real processes, killed and stopped."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from service.config import Config
from service.embedded.port import Claims, free_port
from service.embedded.process import wait_gone
from service.lock import holder
from service.up import Folder, settle

ROOT = Path(__file__).resolve().parents[2]
CHILDREN = ["postgres", "nats", "gatekeeper", "pipeline", "notifier", "console"]
NOTE = "✉"
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


class Up:
    """A running `fengsui up` on ports of its own."""

    def __init__(self, data, *, python=sys.executable, before=(), env=None, demo=False):
        self.data = data
        with contextlib.closing(Claims()) as claims:
            mqtt, console, pipeline, notifier, postgres = (free_port(claims=claims) for _ in range(5))
        settings = {
            "FENGSUI_MQTT__PORT": mqtt,
            "FENGSUI_CONSOLE__PORT": console,
            "FENGSUI_METRICS__PIPELINE_PORT": pipeline,
            "FENGSUI_METRICS__NOTIFIER_PORT": notifier,
            "FENGSUI_EMBEDDED__POSTGRES_PORT": postgres,
        }
        clean = {name: value for name, value in os.environ.items() if not name.startswith("FENGSUI_")}
        self.env = clean | {name: str(value) for name, value in settings.items()} | (env or {})
        self.command = [*before, python, "-m", "service.cli"]
        self.out = data.with_name(data.name + ".out")
        with self.out.open("wb") as out:
            self.process = subprocess.Popen(
                [*self.command, "up", "--data", str(data), *(["--demo"] if demo else [])],
                stdout=out, stderr=subprocess.STDOUT, env=self.env, cwd=ROOT, start_new_session=True,
            )  # fmt: skip

    def fengsui(self, *words):
        return subprocess.run(
            [*self.command, *words],
            env=self.env, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def until_ready(self, timeout_s=60):
        self.until(lambda: "Fengsui is ready" in self.said(), timeout_s)

    def until(self, condition, timeout_s=30):
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.1)

    def said(self):
        return self.out.read_text(encoding="utf-8")

    def children(self):
        return {child["name"]: child for child in json.loads((self.data / "up.json").read_text())["children"]}

    def processes(self):
        """Return every process that has to do with this folder."""
        return [
            one
            for one in psutil.process_iter(["cmdline"])
            if one.pid != self.process.pid and str(self.data) in " ".join(one.info["cmdline"] or ())
        ]

    def stop(self, number=signal.SIGINT, timeout_s=60):
        self.process.send_signal(number)
        self.process.wait(timeout_s)
        return self.process.returncode

    def end(self):
        """Leave nothing behind, whatever the test came to."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def start_up(tmp_path):
    running = []

    def start(name="data", **options):
        running.append(Up(tmp_path / name, **options))
        return running[-1]

    yield start
    for one in running:
        one.end()


def test_up_survives_kills_and_leaves_nothing_behind(start_up):
    up = start_up()
    up.until_ready()

    found = json.loads(up.fengsui("status", "--json", "--data", str(up.data)).stdout)
    assert [child["name"] for child in found["children"]] == CHILDREN
    assert all(child["ready"] for child in found["children"])
    assert found["problems"] == []
    assert found["ledger"] == {"received": 0, "stored": 0, "duplicate": 0, "rejected": 0, "in_flight": 0}
    assert found["pid"] == up.process.pid

    second = up.fengsui("up", "--data", str(up.data))
    assert second.returncode == 2
    assert str(up.process.pid) in second.stderr
    assert "Traceback" not in second.stderr

    # FENGSUI_DATA leads the other commands to what runs, not to the ports of our environment.
    doctor = up.fengsui("doctor", "--config", str(up.data / "config.toml"), "--json")
    todo = {one["what"] for one in json.loads(doctor.stdout) if one["remedy"]}
    assert todo <= {"channels", "disk"}, doctor.stdout

    for name in CHILDREN:
        before = up.children()[name]["pid"]
        os.kill(before, signal.SIGKILL)
        up.until(lambda name=name, before=before: _restarted(up, name, before))
    up.until(lambda: up.fengsui("status", "--data", str(up.data)).returncode == 0, 60)
    assert "died, starting again" in up.said()

    assert (up.data / "config.toml").stat().st_mode & 0o077 == 0
    assert up.stop() == 0
    assert up.processes() == []
    assert not (up.data / "config.toml").exists()
    assert not holder(up.data)
    gone = up.fengsui("status", "--data", str(up.data))
    assert gone.returncode == 2
    assert "nothing runs" in gone.stderr


def _restarted(up, name, before):
    child = up.children()[name]
    return child["state"] == "running" and child["restarts"] >= 1 and child["pid"] != before


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux tells children of a parent's death"
)
def test_nothing_outlives_a_killed_supervisor_and_the_folder_can_be_used_again(start_up):
    up = start_up()
    up.until_ready()
    pids = [child["pid"] for child in up.children().values()]
    up.end()
    assert all(wait_gone(pid, 20) for pid in pids)
    assert up.processes() == []
    again = start_up()
    again.until_ready()
    assert again.stop(signal.SIGTERM) == 0
    assert again.processes() == []


@pytest.mark.parametrize("after_s", [0.3, 0.8, 1.6])
def test_stopped_while_it_starts(start_up, after_s):
    up = start_up()
    up.until(lambda: holder(up.data))
    time.sleep(after_s)
    assert up.stop() == 0, up.said()
    assert up.processes() == []


def test_a_second_signal_hurries(start_up):
    up = start_up()
    up.until_ready()
    # A process that does not listen: the first signal would wait its whole patience for it.
    os.kill(up.children()["pipeline"]["pid"], signal.SIGSTOP)
    up.process.send_signal(signal.SIGINT)
    up.until(lambda: "what=pipeline" in up.said().rpartition("stopping")[2])
    time.sleep(0.6)
    assert up.stop() == 0
    assert up.processes() == []


def test_a_port_that_was_named_and_is_taken_stops_the_start(start_up, nats_broker):
    up = start_up(env={"FENGSUI_MQTT__PORT": str(nats_broker.port)})
    assert up.process.wait(30) == 2
    assert f"port {nats_broker.port}" in up.said()
    assert "Traceback" not in up.said()


def test_the_demo_of_an_ordinary_user_notifies_somebody_within_a_minute():
    with home_of_somebody() as (data, options):
        up = Up(data, demo=True, **options)
        try:
            up.until_ready()
            up.until(lambda: NOTE in up.said(), 60)
            wanted = 65534 if options else os.geteuid()
            assert {psutil.Process(child["pid"]).uids().real for child in up.children().values()} == {wanted}
            assert up.stop() == 0
            assert up.processes() == []
        finally:
            up.end()


@contextlib.contextmanager
def home_of_somebody():
    """Give a data folder and how to run there: as nobody if we are root, else as ourselves."""
    # pytest's own folder is closed to others.
    with tempfile.TemporaryDirectory(prefix="fengsui-test-") as home:
        if os.geteuid():
            yield Path(home) / "data", {}
            return
        python = _interpreter_for_nobody()
        os.chown(home, 65534, 65534)
        env = {"HOME": home, "PYTHONPATH": f"{ROOT}:{sysconfig.get_path('purelib')}"}
        yield Path(home) / "data", {"python": python, "before": NOBODY, "env": env}


def _interpreter_for_nobody():
    """Return a Python of this version that nobody may run: the one of the tests may lie below /root."""
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        # It must also be able to start itself: setpriv can run what nobody cannot.
        code = (
            f"import sys, subprocess; sys.path[:0] = [{str(ROOT)!r}, {sysconfig.get_path('purelib')!r}]; "
            "import numpy, core; subprocess.run([sys.executable, '-c', ''], check=True)"
        )
        if subprocess.run([*NOBODY, python, "-c", code], capture_output=True, check=False).returncode == 0:
            return python
    pytest.skip("nobody can run neither this Python nor read this checkout")


def test_two_that_start_at_once_choose_different_ports(tmp_path):
    """Neither listens yet when the other chooses."""
    with contextlib.closing(Claims()) as one, contextlib.closing(Claims()) as two:
        first, second = (settle(Config(), Folder(tmp_path), claims) for claims in (one, two))
    ports = [
        {
            c.mqtt.port,
            c.console.port,
            c.metrics.pipeline_port,
            c.metrics.notifier_port,
            c.embedded.postgres_port,
        }
        for c in (first, second)
    ]
    assert [len(found) for found in ports] == [5, 5]
    if sys.platform.startswith("linux"):
        assert not ports[0] & ports[1]
