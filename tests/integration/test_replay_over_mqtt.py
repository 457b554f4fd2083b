"""`fengsui replay` against a real broker: every row of the file arrives, in order, as the file has it."""

import asyncio
import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import aiomqtt
import pytest

ROOT = Path(__file__).resolve().parents[2]
FILTERS = ROOT.parent / "shared" / "data" / "dust" / "filter_clogging" / "Train_Data_runs_01-20.csv"
PATIENCE_S = 60


def replay(broker, file, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "service.cli", "replay", str(file), "--host", broker.host, "--port",
         str(broker.port), *words],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


async def collect(broker, topic_filter, *, n_readings, ready):
    """{(topic, signal, ts): value} of everything under the filter, and the order of first arrival."""
    found = {}
    async with asyncio.timeout(PATIENCE_S):
        while len(found) < n_readings:
            try:
                client = aiomqtt.Client(broker.host, broker.port, identifier="witness", clean_session=False)
                async with client:
                    await client.subscribe(topic_filter, qos=1)
                    ready.set()
                    async for message in client.messages:
                        for row in json.loads(message.payload)["readings"]:
                            found.setdefault((str(message.topic), row["m"], row["ts"]), row["v"])
                        if len(found) >= n_readings:
                            break
            except aiomqtt.MqttError:
                await asyncio.sleep(0.05)
    return found


async def witnessed(broker, start, topic_filter, n_readings, *, disturb=None):
    ready = asyncio.Event()
    witness = asyncio.create_task(collect(broker, topic_filter, n_readings=n_readings, ready=ready))
    await asyncio.wait_for(ready.wait(), PATIENCE_S)
    running = start()
    if disturb:
        await asyncio.to_thread(disturb)
    found = await witness
    out, err = await asyncio.to_thread(running.communicate, timeout=PATIENCE_S)
    assert running.returncode == 0, err
    return found, out


def write_recording(folder, n_rows):
    mapping = folder / "m.toml"
    mapping.write_text(
        'title = "t"\ntown = "x"\ngateway = "replayed"\ndevice = "d"\n'
        '[time]\ncolumn = "t"\nformat = "seconds"\nstart = 2026-01-01T00:00:00Z\n[columns]\nv = "current_a"\n'
    )
    (folder / "r.csv").write_text("t,v\n" + "".join(f"{k},{k * 0.5}\n" for k in range(n_rows)))
    return folder / "r.csv", mapping


@pytest.mark.skipif(not FILTERS.exists(), reason=f"needs {FILTERS.name} of the evaluation data")
def test_every_row_of_the_first_filter_runs_arrives_as_the_file_has_it(nats_broker):
    expected, start_ms, before = {}, 1_577_836_800_000, "1"
    with FILTERS.open() as file:
        for row in csv.DictReader(file):
            if row["Data_No"] != before:
                start_ms, before = t_ms + 60_000, row["Data_No"]  # noqa: F821 - of the row before
            t_ms = start_ms + round(float(row["Time"]) * 1_000)
            if int(row["Data_No"]) <= 2:
                topic = f"fs/v1/replay-filter/filter-{int(row['Data_No']):02d}"
                expected[topic, "differential_pressure", t_ms] = float(row["Differential_pressure"])
                expected[topic, "test_flow", t_ms] = float(row["Flow_rate"])
                expected[topic, "dust_feed", t_ms] = float(row["RUL"])
    words = ("--mapping", "filter_clogging", "--speed", "inf", "--runs", "1-2")
    found, out = asyncio.run(
        witnessed(
            nats_broker, lambda: replay(nats_broker, FILTERS, *words), "fs/v1/replay-filter/+", len(expected)
        )
    )
    assert found == expected
    assert list(found) == list(expected)
    assert "2480 rows, 7440 readings acknowledged" in out


def test_a_killed_broker_costs_no_row(start_nats, tmp_path):
    broker = start_nats()
    file, mapping = write_recording(tmp_path, n_rows=3_000)

    def kill_twice():
        for _ in range(2):
            time.sleep(0.8)
            broker.kill()
            time.sleep(0.1)
            broker.start()

    words = ("--mapping", str(mapping), "--speed", "1000")
    found, _ = asyncio.run(
        witnessed(broker, lambda: replay(broker, file, *words), "fs/v1/replayed/d", 3_000, disturb=kill_twice)
    )
    start_ms = 1_767_225_600_000
    assert {ts: value for (_, _, ts), value in found.items()} == {
        start_ms + k * 1_000: k * 0.5 for k in range(3_000)
    }


def test_the_pace_is_that_of_the_recording_times_speed(nats_broker, tmp_path):
    file, mapping = write_recording(tmp_path, n_rows=21)
    started = time.monotonic()
    running = replay(nats_broker, file, "--mapping", str(mapping), "--speed", "10", "--at", "now")
    out, err = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 0, err
    assert time.monotonic() - started >= 2.0
    assert "21 rows" in out
    assert "21/21" in err


def test_a_broker_that_is_not_there_is_told_and_waited_for(start_nats, tmp_path):
    broker = start_nats()
    broker.kill()
    file, mapping = write_recording(tmp_path, n_rows=5)
    running = replay(broker, file, "--mapping", str(mapping), "--speed", "inf")
    assert "line down, trying again" in running.stderr.readline()
    broker.start()
    out, err = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 0, err
    assert "5 rows" in out
